/// When a call which changes the store returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is on the disk: no crash of the machine undoes it.
    #[default]
    Synced,
    /// Once it is written. The end of the process does not undo it; a crash of the machine within some tens of
    /// milliseconds may, and then all that was said after it is undone too.
    Soon,
}
