//! Blocks of code are what they seem: recipes that the real parser takes, and commands that the real command line has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use goldsmith::cli::grammar;
use goldsmith::distro::Distros;
use goldsmith::element::library::Library;
use goldsmith::yaml::{Source, parse};

use goldsmith::recipe::{self, Arch, Firmware, LoadOptions, System};
use goldsmith::verify;
use goldsmith::vocabulary::Distro;

use super::pages::{self, Block};

/// What is wrong with a block of code.
fn fault(block: &Block) -> Option<String> {
    let needs_reason = block.info.contains(',');
    if needs_reason && block.reason.is_none() {
        return Some(format!("`{}` needs a reason: a comment in the line above", block.info));
    }
    match block.info.as_str() {
        "yaml" => recipe_fault(&block.text),
        "yaml,fragment" => recipe_fault(&completed(&block.text)),
        "yaml,wrong" => match recipe_fault(&block.text) {
            Some(_) => None,
            None => Some("this recipe has no error".to_owned()),
        },
        "yaml,element" => element_fault(&block.text),
        "yaml,distribution" => distribution_fault(&block.text),
        "yaml,other" => yaml_fault(&block.text),
        "json" => block.text.lines().find_map(|line| {
            serde_json::from_str::<serde_json::Value>(line).err().map(|error| format!("{error}: {line}"))
        }),
        "sh" => first_fault(&commands(&block.text, "")),
        "console" => first_fault(&commands(&block.text, "$ ")),
        // Output, trees of files and the like: nothing that anybody types.
        "text" => commands(&block.text, "$ ").first().map(|_| "a block with commands is `console`".to_owned()),
        other => Some(format!("no block is `{other}`")),
    }
}

/// A whole recipe of some of its keys.
fn completed(fragment: &str) -> String {
    let has = |key: &str| fragment.lines().any(|line| line.starts_with(key));
    let mut text = String::new();
    for (key, line) in [("name:", "name: x"), ("base:", "base: { bootstrap: { distro: debian, release: trixie } }")] {
        if !has(key) {
            text.push_str(&format!("{line}\n"));
        }
    }
    text + fragment
}

/// A distribution, in a folder of its name.
fn distribution_fault(text: &str) -> Option<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let name = text.lines().find_map(|line| line.strip_prefix("name: "))?;
    let folder = dir.path().join(name);
    std::fs::create_dir(&folder).expect("a directory");
    std::fs::write(folder.join("distro.yaml"), text).expect("a file");
    let (distros, faults) = Distros::load(&[dir.path().to_owned()]);
    match (distros.get(name), faults.first()) {
        (Some(_), None) => None,
        (_, Some(fault)) => Some(fault.render(false)),
        (None, None) => Some(format!("there is no distribution `{name}`")),
    }
}

fn recipe_fault(text: &str) -> Option<String> {
    load_fault(text, pages::root().join("examples/local-element/elements"))
}

fn load_fault(text: &str, elements: PathBuf) -> Option<String> {
    let options = LoadOptions {
        element_dirs: vec![elements],
        rules: verify::rules().map(|rule| rule.id).collect(),
        ..LoadOptions::new(Arch::X86_64)
    };
    let [name, release, version, family] = ["debian", "trixie", "13", "debian"].map(str::to_owned);
    let distro = Distro { name, release, version, family };
    let system = System { distro, firmware: vec![Firmware::Bios, Firmware::Uefi] };
    let system = text.contains("image:").then_some(&system);
    // Files that a recipe brings are those of the example.
    let path = pages::root().join("examples/web-server/block.yaml");
    recipe::load_all_str(&path, text, &options, system).err().map(|errors| errors.to_string())
}

/// Only a recipe that uses an element has its actions read.
fn element_fault(text: &str) -> Option<String> {
    let name = text.lines().find_map(|line| line.strip_prefix("name: "))?;
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(dir.path().join(name)).expect("a directory");
    std::fs::write(dir.path().join(name).join("element.yaml"), text).expect("a file");
    let element = match Library::new(vec![dir.path().to_owned()]).load(name) {
        Ok(element) => element,
        Err(errors) => return Some(errors.to_string()),
    };
    let unset = element.params.iter().filter(|(_, param)| param.default.is_none());
    let params: serde_json::Map<_, _> = unset.map(|(name, _)| (name.clone(), "x".into())).collect();
    let others = element.requires.iter().map(|name| format!("{name}, ")).collect::<String>();
    let uses = format!("elements: [{others}{name}: {}]\n", serde_json::Value::Object(params));
    load_fault(&completed(&uses), dir.path().to_owned())
}

fn yaml_fault(text: &str) -> Option<String> {
    let errors = parse(&Source::new("block.yaml", text)).1;
    errors.first().map(|error| error.message().to_owned())
}

/// Commands of `goldsmith` in a block, each as words. What a shell does with their results is left out.
fn commands(text: &str, prompt: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter_map(|line| line.strip_prefix(prompt));
    lines.flat_map(words).collect()
}

fn words(line: &str) -> Vec<Vec<String>> {
    let Some(words) = shlex::split(line) else { return vec![] };
    let operator = |word: &String| {
        matches!(word.as_str(), "&&" | "||" | "|" | ";" | "&") || word.starts_with('>') || word.starts_with("2>")
    };
    let parts = words.split(operator);
    let parts = parts.map(|part| part.iter().skip_while(|word| word.contains('=') || *word == "sudo"));
    let parts = parts.map(|part| part.cloned().collect::<Vec<_>>());
    parts.filter(|part| part.first().is_some_and(|word| word == "goldsmith" || word.ends_with("/goldsmith"))).collect()
}

fn first_fault(commands: &[Vec<String>]) -> Option<String> {
    commands.iter().find_map(|words| {
        let error = grammar().try_get_matches_from(words).err()?;
        let shown = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        (!shown).then(|| format!("{words:?}: {error}"))
    })
}

#[test]
fn every_block_is_what_it_seems() {
    let mut seen = BTreeMap::<String, usize>::new();
    let mut faults = Vec::new();
    for page in pages::all() {
        for block in &page.blocks {
            *seen.entry(block.info.clone()).or_default() += 1;
            faults.extend(fault(block).map(|fault| format!("{}:{}: {fault}", page.path.display(), block.line)));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    for kind in ["yaml", "yaml,fragment", "sh", "console"] {
        assert!(seen.contains_key(kind), "no page has a block of {kind}: is the test blind?");
    }
}

#[test]
fn every_command_within_a_sentence_exists() {
    let mut faults = Vec::new();
    for page in pages::all() {
        for (line, code) in &page.inline {
            for words in words(code).into_iter().filter(|_| !code.contains(['[', '<', '…'])) {
                let error = grammar().try_get_matches_from(&words).err();
                // A sentence may name a command without its arguments.
                let known = |error: &clap::Error| {
                    matches!(
                        error.kind(),
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::MissingSubcommand
                            | ErrorKind::DisplayHelp
                            | ErrorKind::DisplayVersion
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                    )
                };
                faults.extend(
                    error.filter(|error| !known(error)).map(|error| format!("{}:{line}: {error}", page.path.display())),
                );
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_wrong_in_a_block_is_found() {
    let block = |info: &str, text: &str| {
        let path = Path::new("x.md").to_owned();
        let page = pages::parse(path, format!("<!-- a reason -->\n```{info}\n{text}\n```\n"));
        fault(&page.blocks[0])
    };
    for (info, text) in [
        ("yaml", "name: x"),
        ("yaml,fragment", "disk: { szie: 1GiB }"),
        ("yaml,element", "name: x\ndescription: y\nsteps: { install: [{ wirte: {} }] }"),
        ("yaml,wrong", "name: x\nbase: { bootstrap: { distro: debian, release: trixie } }"),
        ("yaml,other", "a: [1"),
        ("json", "{"),
        ("sh", "FOO=1 sudo goldsmith biuld a.yaml"),
        ("sh", "true && goldsmith build --no-such a.yaml > log"),
        ("console", "$ goldsmith plan \\\n  a.yaml --nothing"),
        ("text", "$ goldsmith plan a.yaml"),
        ("", "words"),
    ] {
        assert!(block(info, text).is_some(), "{info}: {text}");
    }
    for (info, text) in [
        ("yaml,fragment", "disk: { size: 1GiB }"),
        ("sh", "goldsmith build a.yaml # and more\necho goldsmith biuld"),
        ("console", "$ goldsmith plan a.yaml | head\nits output: goldsmith biuld"),
    ] {
        assert_eq!(block(info, text), None, "{info}: {text}");
    }
    let bare = pages::parse("x.md".into(), "```yaml,fragment\ndisk: { size: 1GiB }\n```\n".to_owned());
    assert!(fault(&bare.blocks[0]).is_some_and(|fault| fault.contains("reason")));
}
