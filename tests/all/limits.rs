//! Limits: each with guests that try to pass it, what they see, and what is left afterwards.

mod changed;
mod cpu;
mod disk;
mod memory;
mod processes;
mod work;
