//! What hosts in the tests start to compile programs.

fn main() -> std::process::ExitCode {
    palisade::compile_program()
}
