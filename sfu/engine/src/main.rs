//! The command line: which half of the program to run, on which inherited socket.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Starling's media engine. Started by a node, not by hand.
#[derive(Parser)]
#[command(name = "starling-sfu", version)]
struct Arguments {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Forward media; commanded over an inherited socket.
    Engine {
        /// Number of the inherited file descriptor of the control socket.
        #[arg(long)]
        control_fd: i32,
    },
    /// Run synthetic participants; commanded over an inherited socket.
    Participants {
        /// Number of the inherited file descriptor of the control socket.
        #[arg(long)]
        control_fd: i32,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().mode {
        Mode::Engine { control_fd } => starling_sfu::engine::run(control_fd),
        Mode::Participants { control_fd } => starling_sfu::participants::run(control_fd),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("starling-sfu: {error}");
            ExitCode::FAILURE
        }
    }
}
