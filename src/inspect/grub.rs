//! Finds the menu entry that GRUB or another boot loader starts by default.
//!
//! grub.cfg is a program. This module does not run it. It reads menu entries as grub-mkconfig(8) writes them, and variables that
//! are set to plain text, here or in grubenv.

use std::collections::BTreeMap;

use super::Entry;

/// Deepest nesting of submenus that is read.
const DEPTH_LIMIT: usize = 8;

/// Largest number of entries that are read.
const ENTRIES_LIMIT: usize = 1000;

/// Longest value of a variable, in bytes. No kernel accepts a longer command line.
const VALUE_LIMIT: usize = 64 << 10;

/// Largest number of bytes of all variables of one file: several times the longest file. Otherwise a short file could fill the
/// memory, because each line can double a variable.
const EXPANDED_LIMIT: usize = 16 << 20;

/// A menu entry, or a submenu with its entries.
#[derive(Debug, Default, PartialEq)]
struct Item {
    title: String,
    id: String,
    kernel: Option<Vec<String>>,
    initrd: Option<String>,
    items: Vec<Item>,
}

/// Returns the variables of a grubenv: lines of `name=value`, padded with `#`.
pub(super) fn environment(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Returns the default entry of a grub.cfg. `environment` is the content of grubenv.
pub(super) fn default_entry(config: &str, environment: &BTreeMap<String, String>, source: &str) -> Option<Entry> {
    let mut variables = environment.clone();
    let mut stack = vec![Item::default()];
    let mut default = None;
    let mut count = 0;
    let mut room = EXPANDED_LIMIT;
    // Open braces of functions, and of entries within them, which belong to no menu.
    let mut skipped = 0_usize;
    for line in config.replace("\\\n", " ").lines() {
        let words = words(line.trim());
        let Some(first) = words.first().map(String::as_str) else { continue };
        let opens = words.last().is_some_and(|word| word == "{");
        if skipped > 0 || first == "function" {
            skipped = if opens {
                skipped + 1
            } else if first == "}" {
                skipped.saturating_sub(1)
            } else {
                skipped
            };
            continue;
        }
        match first {
            "menuentry" | "submenu" if opens => {
                count += 1;
                if count > ENTRIES_LIMIT || stack.len() > DEPTH_LIMIT {
                    skipped = 1;
                    continue;
                }
                let id = words.iter().position(|word| word == "--id" || word == "$menuentry_id_option");
                let id = id.and_then(|at| words.get(at + 1)).cloned().unwrap_or_default();
                stack.push(Item { title: words.get(1).cloned().unwrap_or_default(), id, ..Item::default() });
            }
            "}" if stack.len() > 1 => {
                let done = stack.pop().unwrap_or_default();
                if let Some(parent) = stack.last_mut() {
                    parent.items.push(done);
                }
            }
            "linux" | "linuxefi" | "linux16" if stack.len() > 1 => {
                let mut expanded = Vec::new();
                for word in &words[1..] {
                    let value = expand(word, &variables, &mut room);
                    expanded.extend(value.split_whitespace().map(str::to_owned));
                }
                if let Some(item) = stack.last_mut() {
                    item.kernel = Some(expanded);
                }
            }
            "initrd" | "initrdefi" | "initrd16" if stack.len() > 1 => {
                if let Some(item) = stack.last_mut() {
                    // The last one is the system's; those before it are microcode.
                    item.initrd = words[1..].last().map(|word| expand(word, &variables, &mut room));
                }
            }
            "set" => {
                let Some((name, value)) = words.get(1).and_then(|word| word.split_once('=')) else { continue };
                let value = expand(value, &variables, &mut room);
                // It is unknown which branch of an `if` counts. We use the one that sets a value.
                if name == "default" {
                    default = Some(value).filter(|value| !value.is_empty()).or(default);
                } else if !value.is_empty() || !variables.contains_key(name) {
                    variables.insert(name.to_owned(), value);
                }
            }
            _ => {}
        }
    }
    let root = stack.into_iter().next().unwrap_or_default();
    let chosen = choose(&root.items, default.as_deref().unwrap_or("0")).or_else(|| first_of(&root.items))?;
    let (kernel, args) = chosen.kernel.as_ref()?.split_first()?;
    Some(Entry {
        title: chosen.title.clone(),
        kernel: kernel.clone(),
        initrd: chosen.initrd.clone(),
        args: args.to_vec(),
        source: source.to_owned(),
    })
}

/// Returns the item that a value of `default` names: numbers, titles or identifiers, first those of submenus, joined by `>`.
fn choose<'a>(items: &'a [Item], default: &str) -> Option<&'a Item> {
    let (here, rest) = default.split_once('>').map_or((default, None), |(here, rest)| (here, Some(rest)));
    let item = match here.parse::<usize>() {
        Ok(number) => items.get(number),
        Err(_) => items.iter().find(|item| item.id == here || item.title == here),
    }?;
    match rest {
        Some(rest) => choose(&item.items, rest),
        None if item.kernel.is_none() => first_of(&item.items),
        None => Some(item),
    }
}

/// Returns the first item with a kernel.
fn first_of(items: &[Item]) -> Option<&Item> {
    items.iter().find_map(|item| if item.kernel.is_some() { Some(item) } else { first_of(&item.items) })
}

/// Returns the default entry among files of the Boot Loader Specification: name of the file without `.conf`, text.
///
/// This is the saved entry, or else the one that sorts last, as in GRUB and systemd-boot.
pub(super) fn default_of_entries(
    files: &[(String, String)],
    environment: &BTreeMap<String, String>,
    directory: &str,
) -> Option<Entry> {
    let saved = environment.get("saved_entry").map(String::as_str);
    let chosen = files.iter().find(|(name, _)| Some(name.as_str()) == saved);
    let (name, text) = chosen.or_else(|| files.iter().max_by(|(a, _), (b, _)| by_version(a, b)))?;
    let values = |key: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix([' ', '\t'])).map(str::trim).collect::<Vec<_>>()
    };
    let kernel = values("linux").first().map(|kernel| (*kernel).to_owned())?;
    let options = values("options").join(" ");
    let mut room = EXPANDED_LIMIT;
    Some(Entry {
        title: values("title").first().map_or_else(|| name.clone(), |title| (*title).to_owned()),
        kernel,
        initrd: values("initrd").last().map(|initrd| expand(initrd, environment, &mut room)),
        args: expand(&options, environment, &mut room).split_whitespace().map(str::to_owned).collect(),
        source: format!("{directory}/{name}.conf"),
    })
}

/// Compares names with numbers as people do: 6.10 comes after 6.9.
pub(super) fn by_version(a: &str, b: &str) -> std::cmp::Ordering {
    fn parts(text: &str) -> Vec<(u64, &str)> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let number = rest[..digits].parse().unwrap_or(0);
            rest = &rest[digits..];
            let other = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            parts.push((number, &rest[..other]));
            rest = &rest[other..];
        }
        parts
    }
    parts(a).cmp(&parts(b)).then_with(|| a.cmp(b))
}

/// Returns the words of a line, without quotes and comments.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.extend(chars.next());
                begun = true;
            }
            (c, Some(end)) if c == end => quote = None,
            (c, Some(_)) => word.push(c),
            ('\'' | '"', None) => {
                quote = Some(c);
                begun = true;
            }
            ('#', None) if !begun => break,
            (c, None) if c.is_whitespace() || c == ';' => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (c, None) => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// Replaces `$name` and `${name}` with their values. An unset variable becomes empty. So does a value that would make the text
/// longer than [`VALUE_LIMIT`], or needs more than `room`.
fn expand(text: &str, variables: &BTreeMap<String, String>, room: &mut usize) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest.starts_with('{');
        let name = &rest[usize::from(braced)..];
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
        let value = variables.get(&name[..end]).map_or("", String::as_str);
        if value.len() <= *room && expanded.len() + value.len() <= VALUE_LIMIT {
            *room -= value.len();
            expanded.push_str(value);
        }
        rest = &name[end..];
        if braced {
            rest = rest.strip_prefix('}').unwrap_or(rest);
        }
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shortened output of Debian's grub-mkconfig.
    const DEBIAN: &str = r#"
if [ -s $prefix/grubenv ]; then
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="0"
fi
function savedefault {
  if [ -z "${boot_once}" ]; then
    saved_entry="${chosen}"
  fi
}
function gfxmode {
	set gfxpayload="${1}"
}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	search --no-floppy --fs-uuid --set=root 1
	linux	/boot/vmlinuz-6.1.0-56-cloud-amd64 root=UUID=1 ro  console=tty0 console=ttyS0,115200n8
	initrd	/boot/early.cpio /boot/initrd.img-6.1.0-56-cloud-amd64
}
submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-1' {
	menuentry 'Debian, with Linux 6.1 (recovery mode)' $menuentry_id_option 'recovery' {
		linux	/boot/vmlinuz-6.1.0-56-cloud-amd64 root=UUID=1 ro single
	}
}
"#;

    fn args(entry: &Entry) -> String {
        entry.args.join(" ")
    }

    #[test]
    fn the_first_entry_is_the_default() {
        let entry = default_entry(DEBIAN, &BTreeMap::new(), "/boot/grub/grub.cfg").expect("an entry");
        assert_eq!(entry.title, "Debian GNU/Linux");
        assert_eq!(entry.kernel, "/boot/vmlinuz-6.1.0-56-cloud-amd64");
        assert_eq!(entry.initrd.as_deref(), Some("/boot/initrd.img-6.1.0-56-cloud-amd64"));
        assert_eq!(args(&entry), "root=UUID=1 ro console=tty0 console=ttyS0,115200n8");
    }

    #[test]
    fn the_default_may_be_named_in_many_ways() {
        for (set, expected) in [
            ("1", "single"),
            ("1>0", "single"),
            ("gnulinux-advanced-1>recovery", "single"),
            ("Advanced options>Debian, with Linux 6.1 (recovery mode)", "single"),
            ("${saved_entry}", "single"),
            ("no such entry", "console=tty0"),
            ("7>7", "console=tty0"),
        ] {
            let config = DEBIAN.replace("set default=\"0\"", &format!("set default=\"{set}\""));
            let environment = environment("# GRUB Environment Block\nsaved_entry=1>recovery\n####");
            let entry = default_entry(&config, &environment, "x").expect("an entry");
            assert!(args(&entry).contains(expected), "{set}: {entry:?}");
        }
    }

    #[test]
    fn variables_are_those_of_the_file_and_of_grubenv() {
        let config = "set kernelopts=\"root=/dev/vda1 ro\"\nmenuentry \"x\" {\nlinux16 ($root)/vmlinuz $kernelopts ${extra} a\\ b 'c d'\n}\n";
        let environment = environment("extra=quiet\n");
        let entry = default_entry(config, &environment, "x").expect("an entry");
        assert_eq!(entry.kernel, "()/vmlinuz");
        assert_eq!(args(&entry), "root=/dev/vda1 ro quiet a b c d");
    }

    #[test]
    fn entries_of_the_boot_loader_specification_are_read() {
        let entry = |release: &str| {
            let text = format!(
                "title X ({release})\nversion {release}\nlinux /vmlinuz-{release}\ninitrd /initramfs-{release}.img $tuned_initrd\noptions $kernelopts quiet\n# options no\ngrub_class x\n"
            );
            (format!("id-{release}"), text)
        };
        let files = [entry("5.14.0-9"), entry("5.14.0-70"), entry("5.14.0-8")];
        let variables = environment("kernelopts=root=UUID=2 ro\n");
        let found = default_of_entries(&files, &variables, "/boot/loader/entries").expect("an entry");
        assert_eq!((found.kernel.as_str(), args(&found).as_str()), ("/vmlinuz-5.14.0-70", "root=UUID=2 ro quiet"));
        assert_eq!(found.initrd.as_deref(), Some("/initramfs-5.14.0-70.img "));
        assert_eq!(found.source, "/boot/loader/entries/id-5.14.0-70.conf");
        let saved = environment("saved_entry=id-5.14.0-8\n");
        let found = default_of_entries(&files, &saved, "/b").expect("an entry");
        assert_eq!((found.title.as_str(), args(&found).as_str()), ("X (5.14.0-8)", "quiet"));
    }

    #[test]
    fn hostile_files_end() {
        let nested = "submenu x {\n".repeat(100_000) + "menuentry y {\nlinux /k\n" + &"}\n".repeat(100_001);
        assert_eq!(default_entry(&nested, &BTreeMap::new(), "x"), None);
        for text in ["}", "menuentry {", "linux /x", "set", "set default", "menuentry 'x {\nlinux", "$", "set a=${"] {
            assert_eq!(default_entry(text, &BTreeMap::new(), "x"), None, "{text}");
        }
        assert_eq!(expand("${", &BTreeMap::new(), &mut EXPANDED_LIMIT.clone()), "");
    }

    /// Without limits, the first file would need more bytes than any machine has.
    #[test]
    fn variables_that_grow_are_cut_off() {
        let doubled = "set a=0123456789abcdef\n".to_owned() + &"set a=\"$a$a\"\n".repeat(60);
        let menu = |line: &str| format!("{doubled}menuentry x {{\n{line}}}\n");
        let length = |config: &str| {
            let entry = default_entry(config, &BTreeMap::new(), "x").expect("an entry");
            entry.args.iter().map(String::len).sum::<usize>()
        };
        assert_eq!(length(&menu("linux /k $a\n")), VALUE_LIMIT);
        assert!(length(&menu(&format!("linux /k {}\n", "$a ".repeat(200_000)))) <= EXPANDED_LIMIT);
        let variables = BTreeMap::from([("a".to_owned(), "x".repeat(VALUE_LIMIT))]);
        let files = [("x".to_owned(), format!("linux /k\noptions {}\n", "$a".repeat(200_000)))];
        let entry = default_of_entries(&files, &variables, "/b").expect("an entry");
        assert_eq!(entry.args.iter().map(String::len).sum::<usize>(), VALUE_LIMIT);
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        let mut releases = ["6.10.0-2", "6.9.0", "6.1.0-56-cloud", "6.1.0-6-cloud"];
        releases.sort_by(|a, b| by_version(a, b));
        assert_eq!(releases, ["6.1.0-6-cloud", "6.1.0-56-cloud", "6.9.0", "6.10.0-2"]);
    }
}
