//! Completions and manual pages, as shells and `man` use them.

use std::process::Command;

use super::sandbox::{Sandbox, names};

/// What bash offers for these words, of which the last is being typed.
fn offered(sandbox: &Sandbox, words: &str) -> Vec<String> {
    let program = env!("CARGO_BIN_EXE_goldsmith");
    let script = "source <(\"$1\" completions bash); COMP_WORDS=($2); [[ $2 == *' ' ]] && COMP_WORDS+=(''); \
         COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$2; COMP_POINT=${#2}; \
         spec=$(complete -p goldsmith); [[ $spec =~ -F\\ ([^ ]+) ]]; \
         \"${BASH_REMATCH[1]}\" goldsmith \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD-1]}\"; \
         printf '%s\\n' \"${COMPREPLY[@]}\"";
    let ran = sandbox.command("bash").args(["-c", script, "bash", program, words]).output().expect("bash");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_words() {
    let sandbox = Sandbox::new();
    assert_eq!(offered(&sandbox, "goldsmith bu"), ["build"]);
    assert_eq!(offered(&sandbox, "goldsmith images down"), ["download"]);
    assert_eq!(offered(&sandbox, "goldsmith build --off"), ["--offline"]);
    assert_eq!(offered(&sandbox, "goldsmith build --accel t"), ["tcg"]);
    let all = offered(&sandbox, "goldsmith ");
    assert!(all.iter().any(|word| word == "explain") && !all.iter().any(|word| word == "relay"), "{all:?}");
    // bash itself offers files where the program has no words.
    assert_eq!(offered(&sandbox, "goldsmith plan we"), [""]);
    assert!(
        sandbox
            .run("completions bash")
            .stdout
            .contains("complete -F _goldsmith -o nosort -o bashdefault -o default goldsmith")
    );
}

#[test]
fn each_shell_gets_all_commands() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = sandbox.run(&format!("completions {shell}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        assert!(ran.stdout.contains("on-failure") && ran.stdout.contains("metadefs"), "{shell}");
        assert!(!ran.stdout.contains("relay"), "{shell}: nobody types it");
        // The shell itself reads it, where it is installed.
        let file = sandbox.path("completions");
        std::fs::write(&file, &ran.stdout).expect("a file");
        if which::which(shell).is_ok() {
            let read = sandbox.command(shell).arg("-n").arg(&file).output().expect("the shell");
            assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        }
    }
    assert_eq!(sandbox.run("completions tcsh").code, Some(2));
}

#[test]
fn manual_pages_are_read_without_warnings() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("man pages");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pages = names(&sandbox.path("pages"));
    for page in ["goldsmith.1", "goldsmith-build.1", "goldsmith-images-cache-list.1", "goldsmith-explain.1"] {
        assert!(pages.iter().any(|there| there == page), "{pages:?}");
    }
    assert!(!pages.iter().any(|page| page.contains("relay") || page.contains("help")), "{pages:?}");
    let dated = sandbox.run_with("man", &[("SOURCE_DATE_EPOCH", "1700000000")]);
    assert!(dated.stdout.contains("2023-11-14"), "{dated:?}");
    assert_eq!(sandbox.run_with("man", &[("SOURCE_DATE_EPOCH", "today")]).code, Some(2));
    let first = std::fs::read_to_string(sandbox.path("pages/goldsmith.1")).expect("text");
    assert_eq!(first, sandbox.run("man").stdout);
    assert!(
        first.contains("EXIT STATUS") && first.contains("The recipe, an element or an image file has errors."),
        "{first}"
    );
    let build = std::fs::read_to_string(sandbox.path("pages/goldsmith-build.1")).expect("text");
    assert!(build.contains("RECIPE") && build.contains("SEE ALSO"), "{build}");
    // groff is where man is; mandoc is stricter.
    let (mut read, mut readers) = (0, Vec::<(&str, &[&str])>::new());
    if which::which("groff").is_ok() {
        readers.push(("groff", &["-ww", "-man", "-Tutf8", "-z"]));
    }
    if which::which("mandoc").is_ok() {
        readers.push(("mandoc", &["-T", "lint", "-W", "warning"]));
    }
    for (program, arguments) in &readers {
        for page in &pages {
            let mut command: Command = sandbox.command(program);
            let ended = command.args(*arguments).arg(sandbox.path("pages").join(page)).output().expect("it starts");
            let said = [ended.stdout, ended.stderr].concat();
            assert!(ended.status.success() && said.is_empty(), "{program} {page}: {}", String::from_utf8_lossy(&said));
            read += 1;
        }
    }
    assert!(readers.is_empty() || read >= pages.len());
}

#[test]
fn the_long_version_tells_what_goldsmith_works_with() {
    let sandbox = Sandbox::new();
    let short = sandbox.run("-V");
    assert_eq!(short.stdout, format!("goldsmith {}\n", env!("CARGO_PKG_VERSION")));
    let long = sandbox.run("--version");
    assert_eq!((long.code, long.stderr.as_str()), (Some(0), ""), "{long:?}");
    let words: Vec<_> = long.stdout.lines().filter_map(|line| line.split_once(' ')).collect();
    let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["goldsmith", "libguestfs", "QEMU", "accelerator"], "{long:?}");
    let version = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    assert!(version(words[0].1) && version(words[1].1), "{long:?}");
    // Without QEMU the version is still told.
    let bare = sandbox.run_with("--version", &[("PATH", "/nowhere")]);
    assert_eq!(bare.code, Some(0), "{bare:?}");
    assert!(bare.stdout.contains("QEMU not found; `goldsmith doctor` says how to install it"), "{bare:?}");
}
