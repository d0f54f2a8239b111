// SPDX-License-Identifier: Apache-2.0
//! `lab [--keep]`: builds a fabric, plays the demo in it, and with `--keep`
//! leaves a shell on its server.

use std::env;
use std::io;
use std::process::ExitCode;

use hhnet_tests::story;

#[expect(clippy::print_stderr, reason = "the verdict of a command line tool")]
fn main() -> ExitCode {
    let keep = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [flag] if flag == "--keep" => true,
        other => {
            eprintln!(
                "lab: unknown argument {:?}; usage: lab [--keep]",
                other.join(" ")
            );
            return ExitCode::from(2);
        }
    };
    let out = &mut io::stdout();
    let played = story::play(out);
    let result = played.and_then(|()| if keep { story::explore(out) } else { Ok(()) });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}
