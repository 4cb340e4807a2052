//! The command line: `visulate [serve]`, `visulate cat`, `visulate report`, `visulate replay`, `visulate demo`.

mod config;
mod demo;
mod listen;
mod serve;
mod size;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use serve::ServeArgs;

/// Live statistics of an Apache Traffic Server cluster, from its binary logs.
///
/// Without a command it serves: takes log collation (Traffic Server up to 8.1) on port 8085 and shows the cluster on
/// http://127.0.0.1:6011.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take log records and show them (the default)
    Serve(Box<ServeArgs>),
    /// Show an invented cluster: the engine, fed over real sockets by a seeded generator
    ///
    /// Twelve nodes, 10 000 clients and 2 000 sites; two minutes after it goes on in real time one origin turns to 503.
    /// The collation and page addresses default to loopback.
    Demo(Box<demo::DemoArgs>),
    /// Print the entries of binary logs, as traffic_logcat does or as JSON
    ///
    /// The text is byte for byte that of traffic_logcat, in this machine's time zone (or TZ's), without its limits on lines and
    /// segments. Damaged parts are left out and named on the standard error, and the exit code is then 1.
    Cat(crate::cat::Args),
    /// Send recorded streams to an engine, as fast as it takes them or at a rate
    Replay(crate::replay::Args),
    Report(Box<crate::report::Args>),
}

/// Exit code of wrong usage.
pub const USAGE: u8 = 2;

/// Runs the program; gives its exit code: 0 done, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        None => serve::run(cli.serve),
        Some(Command::Serve(args)) => serve::run(*args),
        Some(Command::Demo(args)) => demo::run(*args),
        Some(Command::Cat(args)) => crate::cat::run(&args),
        Some(Command::Replay(args)) => crate::replay::run(&args),
        Some(Command::Report(args)) => crate::report::run(&args),
    }
}

/// Says what went wrong, on the standard error.
fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    eprintln!("visulate: {error}");
    ExitCode::from(code)
}

/// The parser, for whoever checks its texts.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_and_options_go_with_either() {
        let bare = Cli::try_parse_from(["visulate", "--workers", "3"]).unwrap();
        assert_eq!(bare.serve.workers, Some(3));
        let named = Cli::try_parse_from(["visulate", "serve", "--workers", "3"]).unwrap();
        assert!(matches!(named.command, Some(Command::Serve(args)) if args.workers == Some(3)));
        assert!(Cli::try_parse_from(["visulate", "--workers", "0"]).is_err());
        assert!(Cli::try_parse_from(["visulate", "nonsense"]).is_err());
    }
}
