//! The program: a network until standard input ends.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args_os().len() > 1 {
        eprintln!(
            "starling-wan takes no arguments: it reads commands, one JSON object a line, from standard input."
        );
        return ExitCode::from(2);
    }
    match starling_wan::event_loop::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("starling-wan: {error}");
            ExitCode::FAILURE
        }
    }
}
