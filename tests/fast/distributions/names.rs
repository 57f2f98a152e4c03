//! The program's code asks the data of distributions, and names none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use goldsmith::distro::Distros;

/// Files in which a distribution may be named, and why.
const MAY_NAME: [(&str, &str); 8] = [
    ("src/cli/doctor/packages.rs", "packages of the host, which need not be of a distribution that images have"),
    ("src/disk/qemu_img.rs", "the host's package of a program"),
    ("src/machine/error.rs", "the host's package of a program"),
    ("src/machine/ssh.rs", "the host's package of a program"),
    ("src/cli/run/command.rs", "examples of accounts for people"),
    ("src/cli/init/command.rs", "what a new recipe starts from if nobody says it"),
    ("src/cli/init/ci.rs", "the name of a CI service's machine"),
    ("src/recipe/template/render.rs", "an example of a condition for people"),
];

/// Code without comments and tests.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(path).expect("source");
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].ends_with("mod tests {"));
    let kept = lines.iter().take(tests.unwrap_or(lines.len())).enumerate();
    kept.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default().to_lowercase())).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

#[test]
fn code_names_no_distribution() {
    let names: BTreeSet<String> = Distros::built_in()
        .iter()
        .flat_map(|one| [&one.file.name].into_iter().chain(&one.file.aliases).cloned().collect::<Vec<_>>())
        // Code calls an architecture so.
        .filter(|name| name != "arch")
        .collect();
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    assert!(files.len() > 200, "{}", files.len());
    let mut found = Vec::new();
    for file in &files {
        let name = file.display().to_string();
        if MAY_NAME.iter().any(|(allowed, _)| *allowed == name) {
            continue;
        }
        for (line, text) in code(file) {
            let words = text.split(|c: char| !(c.is_alphanumeric() || "_-".contains(c)));
            let named = |word: &str| names.contains(word) || word.split('-').any(|part| names.contains(part));
            found.extend(words.filter(|word| named(word)).map(|word| format!("{name}:{line}: {word}")));
        }
    }
    assert_eq!(found, [""; 0], "ask the data of the distribution instead");
}
