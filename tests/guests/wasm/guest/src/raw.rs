//! Calls below std, which only one of the two previews has.

#[cfg(all(target_os = "wasi", target_env = "p1"))]
pub use preview1::{handles, poll, renumber};
#[cfg(all(target_os = "wasi", target_env = "p2"))]
pub use preview2::{handles, poll, renumber};

#[cfg(not(target_os = "wasi"))]
pub use elsewhere::{handles, poll, renumber};

#[cfg(all(target_os = "wasi", target_env = "p1"))]
mod preview1 {
    #![expect(unsafe_code, reason = "the raw calls of WASI")]

    use std::fs::File;
    use std::os::fd::IntoRawFd;

    use crate::{Arguments, Outcome};

    pub fn handles(_: &Arguments) -> Outcome {
        Err("preview 1 has no pollables".into())
    }

    /// Moves one new descriptor after another onto the same old one.
    pub fn renumber(arguments: &Arguments) -> Outcome {
        let (path, count): (_, u64) = (arguments.text(0)?, arguments.number(1)?);
        let open = || File::open(path).map_err(|error| crate::errno::name(&error));
        let kept = open()?.into_raw_fd() as wasip1::Fd;
        for number in 0..count {
            let moved = open()?.into_raw_fd() as wasip1::Fd;
            // SAFETY: no `File` owns either of the descriptors.
            if let Err(error) = unsafe { wasip1::fd_renumber(moved, kept) } {
                println!("refused after {number}: {}", error.name());
                return Ok(());
            }
        }
        println!("renumbered {count}");
        Ok(())
    }

    pub fn poll(arguments: &Arguments) -> Outcome {
        let count: usize = arguments.number(0)?;
        let clock = wasip1::SubscriptionClock {
            id: wasip1::CLOCKID_MONOTONIC,
            timeout: 0,
            precision: 0,
            flags: 0,
        };
        let u = wasip1::SubscriptionU {
            tag: wasip1::EVENTTYPE_CLOCK.raw(),
            u: wasip1::SubscriptionUU { clock },
        };
        let subscriptions = vec![wasip1::Subscription { userdata: 0, u }; count];
        let mut events = Vec::<wasip1::Event>::with_capacity(count);
        // SAFETY: there is room for as many events as there are subscriptions.
        match unsafe { wasip1::poll_oneoff(subscriptions.as_ptr(), events.as_mut_ptr(), count) } {
            Ok(due) => println!("due {due}"),
            Err(error) => println!("refused: {}", error.name()),
        }
        Ok(())
    }
}

#[cfg(all(target_os = "wasi", target_env = "p2"))]
mod preview2 {
    use crate::{Arguments, Outcome};

    pub fn handles(arguments: &Arguments) -> Outcome {
        let count: usize = arguments.number(0)?;
        let far = u64::MAX / 2;
        let held: Vec<_> = (0..count)
            .map(|_| wasip2::clocks::monotonic_clock::subscribe_duration(far))
            .collect();
        println!("holding {}", held.len());
        Ok(())
    }

    pub fn renumber(_: &Arguments) -> Outcome {
        Err("preview 2 has no descriptor numbers".into())
    }

    pub fn poll(_: &Arguments) -> Outcome {
        Err("preview 2 has no poll_oneoff".into())
    }
}

#[cfg(not(target_os = "wasi"))]
mod elsewhere {
    use crate::{Arguments, Outcome};

    pub fn handles(_: &Arguments) -> Outcome {
        Err("only a guest can do this".into())
    }

    pub use handles as poll;
    pub use handles as renumber;
}
