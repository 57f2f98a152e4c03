//! The exit codes, with what to do about each.

use serde::Serialize;

use crate::cli::failure::exit;

/// An exit code.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::cli) struct Code {
    /// The number.
    #[serde(rename = "exit_code")]
    pub(in crate::cli) number: u8,
    /// What it means, as the reference says it.
    pub(in crate::cli) meaning: &'static str,
    /// What to do next.
    pub(in crate::cli) mend: &'static str,
}

/// All exit codes, in their order.
pub(in crate::cli) const CODES: [Code; 9] = [
    Code { number: exit::OK, meaning: "The command succeeded.", mend: "There is nothing to do." },
    Code {
        number: exit::DIFFERENT,
        meaning: "`goldsmith diff`: the two images differ.",
        mend: "The output lists the differences. No other command ends with this code.",
    },
    Code {
        number: exit::USAGE,
        meaning: "The command line is wrong.",
        mend: "`--help` after the command lists its arguments and options.",
    },
    Code {
        number: exit::RECIPE,
        meaning: "The recipe, an element or an image file has errors.",
        mend: "Mend the lines that the errors name. `goldsmith validate RECIPE` shows all errors in a moment.",
    },
    Code {
        number: exit::HOST,
        meaning: "This host lacks a program, a library, disk space or the network.",
        mend: "`goldsmith doctor` lists what is missing, with the command that installs it. If the network was the cause, try again.",
    },
    Code {
        number: exit::BUILD,
        meaning: "A step failed, or the guest died.",
        mend: "`goldsmith log` shows the output of the build. `goldsmith build --on-failure shell RECIPE` opens a shell in the failed step.",
    },
    Code {
        number: exit::VERIFICATION,
        meaning: "A check of the image failed.",
        mend: "report.html beside the image shows what was seen. `goldsmith explain CHECK` says what the check means and how to mend it.",
    },
    Code {
        number: exit::PUBLISH,
        meaning: "The image could not be published.",
        mend: "The image is built. Mend the cause, then run `goldsmith publish RECIPE`: publishing continues where it stopped.",
    },
    Code {
        number: exit::INTERRUPTED,
        meaning: "The user interrupted the command.",
        mend: "Run the command again: complete steps are in the cache.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference is made from the comments of the constants.
    #[test]
    fn every_code_of_the_reference_is_explained_in_its_words() {
        let source = include_str!("../failure.rs");
        let module =
            source.split("pub mod exit {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the module");
        let (mut told, mut sentence) = (Vec::new(), String::new());
        for line in module.lines().map(str::trim) {
            if let Some(part) = line.strip_prefix("/// ") {
                sentence.push_str(part);
            } else if let Some(number) = line.strip_suffix(';').and_then(|line| line.split(" = ").nth(1)) {
                told.push((number.parse::<u8>().expect("a number"), std::mem::take(&mut sentence)));
            }
        }
        let explained: Vec<_> = CODES.iter().map(|code| (code.number, code.meaning.to_owned())).collect();
        assert_eq!(explained, told);
    }
}
