//! A writer of small ISO 9660 file systems (ECMA-119). Names and modes are those of the Rock Ridge Interchange Protocol (IEEE
//! P1282), in fields of the System Use Sharing Protocol (IEEE P1281).
//!
//! Nova writes config drives in this format. The writer reads no clock, so the same files make the same bytes.

use std::collections::{BTreeMap, VecDeque};

/// Size of a sector.
const SECTOR: usize = 2048;

/// Sectors before the first descriptor (ECMA-119, 6.2.1).
const SYSTEM_AREA: usize = 16;

/// First sector of the path tables, after two descriptors.
const TABLES: usize = SYSTEM_AREA + 2;

/// 1 January 1980, for files without a time (ECMA-119, 9.1.5).
const RECORDED: [u8; 7] = [80, 1, 1, 0, 0, 0, 0];

/// An unspecified time (ECMA-119, 8.4.26.1).
const NO_TIME: &[u8; 17] = b"0000000000000000\0";

/// Modes of directories and of files: everybody may read.
const MODES: (u32, u32) = (0o040_555, 0o100_444);

/// Makes a file system of files, whose paths have `/` between their parts. Names have at most 28 characters (letters, digits,
/// dots and the like), and those in a directory differ by more than case and punctuation. The label has at most 32 characters.
pub(super) fn image(label: &str, files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tree = Tree::of(files);
    let order = tree.order();
    let table = tree.path_table(&order, u32::to_le_bytes, u16::to_le_bytes).len();
    let mut next = TABLES + 2 * table.div_ceil(SECTOR);
    for &dir in &order {
        tree.dirs[dir].size = pack(&tree.records(dir)).len();
        tree.dirs[dir].sector = next;
        next += tree.dirs[dir].size / SECTOR;
    }
    for file in &mut tree.files {
        file.sector = next;
        next += file.content.len().div_ceil(SECTOR);
    }
    let mut image = vec![0; SYSTEM_AREA * SECTOR];
    image.extend(descriptor(label, &tree.dirs[0], next, table));
    image.extend(sectors(&[b"\xffCD001\x01".as_slice()].concat()));
    image.extend(sectors(&tree.path_table(&order, u32::to_le_bytes, u16::to_le_bytes)));
    image.extend(sectors(&tree.path_table(&order, u32::to_be_bytes, u16::to_be_bytes)));
    for &dir in &order {
        image.extend(pack(&tree.records(dir)));
    }
    for file in &tree.files {
        image.extend(sectors(file.content));
    }
    image
}

/// The tree of directories and files, the root directory first.
struct Tree<'a> {
    dirs: Vec<Dir<'a>>,
    files: Vec<File<'a>>,
}

struct Dir<'a> {
    name: &'a str,
    parent: usize,
    /// Entries by identifier, in the order of directory records.
    entries: BTreeMap<Vec<u8>, Entry>,
    sector: usize,
    size: usize,
}

struct File<'a> {
    name: &'a str,
    content: &'a [u8],
    sector: usize,
}

#[derive(Clone, Copy)]
enum Entry {
    Dir(usize),
    File(usize),
}

impl<'a> Tree<'a> {
    fn of(files: &'a [(String, Vec<u8>)]) -> Self {
        let dir = |name, parent| Dir { name, parent, entries: BTreeMap::new(), sector: 0, size: 0 };
        let mut tree = Self { dirs: vec![dir("", 0)], files: Vec::new() };
        for (path, content) in files {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let mut at = 0;
            for part in above.split('/').filter(|part| !part.is_empty()) {
                let new = tree.dirs.len();
                at = match tree.dirs[at].entries.entry(identifier(part)).or_insert(Entry::Dir(new)) {
                    Entry::Dir(known) if *known != new => *known,
                    _ => {
                        tree.dirs.push(dir(part, at));
                        new
                    }
                };
            }
            let dot = if name.contains('.') { "" } else { "." };
            let identifier = [identifier(name), format!("{dot};1").into_bytes()].concat();
            tree.dirs[at].entries.insert(identifier, Entry::File(tree.files.len()));
            tree.files.push(File { name, content, sector: 0 });
        }
        tree
    }

    /// Returns the directories level by level, as in path tables (ECMA-119, 6.9.1).
    fn order(&self) -> Vec<usize> {
        let (mut order, mut queue) = (Vec::new(), VecDeque::from([0]));
        while let Some(dir) = queue.pop_front() {
            order.push(dir);
            queue.extend(self.dirs[dir].entries.values().filter_map(|entry| match entry {
                Entry::Dir(dir) => Some(*dir),
                Entry::File(_) => None,
            }));
        }
        order
    }

    /// Makes a path table with numbers in one byte order (ECMA-119, 9.4).
    fn path_table(&self, order: &[usize], word: fn(u32) -> [u8; 4], half: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mut table = Vec::new();
        for &at in order {
            let dir = &self.dirs[at];
            let name = if at == 0 { vec![0] } else { identifier(dir.name) };
            let parent = order.iter().position(|other| *other == dir.parent).map_or(1, |place| place + 1);
            table.extend([name.len() as u8, 0]);
            table.extend(word(dir.sector as u32));
            table.extend(half(parent as u16));
            table.extend(&name);
            table.extend(vec![0; name.len() % 2]);
        }
        table
    }

    /// Makes the records of a directory: for itself, its parent and its entries.
    fn records(&self, at: usize) -> Vec<Vec<u8>> {
        let dir = &self.dirs[at];
        let mode = |dir: &Dir<'_>| {
            let inner = dir.entries.values().filter(|entry| matches!(entry, Entry::Dir(_))).count();
            posix(MODES.0, 2 + inner)
        };
        // The root's first record declares these fields and their protocol (SUSP 5.3 and 5.5).
        let this = match at {
            0 => [b"SP\x07\x01\xbe\xef\0".to_vec(), mode(dir), b"ER\x12\x01\x0a\0\0\x01RRIP_1991A".to_vec()].concat(),
            _ => mode(dir),
        };
        let parent = &self.dirs[dir.parent];
        let mut records = vec![
            record(&[0], dir.sector, dir.size, true, &this),
            record(&[1], parent.sector, parent.size, true, &mode(parent)),
        ];
        for (identifier, entry) in &dir.entries {
            records.push(match entry {
                Entry::Dir(at) => {
                    let inner = &self.dirs[*at];
                    record(identifier, inner.sector, inner.size, true, &[mode(inner), name(inner.name)].concat())
                }
                Entry::File(at) => {
                    let file = &self.files[*at];
                    let fields = [posix(MODES.1, 1), name(file.name)].concat();
                    record(identifier, file.sector, file.content.len(), false, &fields)
                }
            });
        }
        records
    }
}

/// Returns a name in the characters that ISO 9660 allows (ECMA-119, 7.5 and 7.6).
fn identifier(name: &str) -> Vec<u8> {
    let last = name.rfind('.');
    let letter = |(at, c): (usize, char)| match c.to_ascii_uppercase() {
        c @ ('A'..='Z' | '0'..='9') => c as u8,
        '.' if Some(at) == last => b'.',
        _ => b'_',
    };
    name.char_indices().map(letter).collect()
}

/// Makes a directory record (ECMA-119, 9.1) with fields in its system use area.
fn record(identifier: &[u8], sector: usize, size: usize, dir: bool, fields: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both(sector));
    record.extend(both(size));
    record.extend(RECORDED);
    record.extend([if dir { 2 } else { 0 }, 0, 0]);
    record.extend(both_halves(1));
    record.push(identifier.len() as u8);
    record.extend(identifier);
    record.resize(record.len().next_multiple_of(2), 0);
    record.extend(fields);
    record.resize(record.len().next_multiple_of(2), 0);
    record[0] = record.len() as u8;
    record
}

/// Makes the field with mode and number of links; the owner is root (RRIP 4.1.1).
fn posix(mode: u32, links: usize) -> Vec<u8> {
    [b"PX\x24\x01".to_vec(), both(mode as usize), both(links), both(0), both(0)].concat()
}

/// Makes the field with the real name (RRIP 4.1.4).
fn name(name: &str) -> Vec<u8> {
    [b"NM", &[5 + name.len() as u8, 1, 0][..], name.as_bytes()].concat()
}

/// Joins records so that none crosses a sector boundary (ECMA-119, 6.8.1.1).
fn pack(records: &[Vec<u8>]) -> Vec<u8> {
    let mut packed = Vec::new();
    for record in records {
        if packed.len() % SECTOR + record.len() > SECTOR {
            packed = sectors(&packed);
        }
        packed.extend(record);
    }
    sectors(&packed)
}

/// Makes the primary volume descriptor (ECMA-119, 8.4). `volume` is the size in sectors; `table` is that of a path table in
/// bytes.
fn descriptor(label: &str, root: &Dir<'_>, volume: usize, table: usize) -> Vec<u8> {
    let mut text = b"\x01CD001\x01\0".to_vec();
    let spaces = |text: &mut Vec<u8>, end: usize| text.resize(end, b' ');
    spaces(&mut text, 40);
    text.extend(label.bytes().take(32));
    spaces(&mut text, 72);
    text.extend([0; 8]);
    text.extend(both(volume));
    text.extend([0; 32]);
    text.extend([both_halves(1), both_halves(1), both_halves(SECTOR as u16)].concat());
    text.extend(both(table));
    text.extend((TABLES as u32).to_le_bytes());
    text.extend([0; 4]);
    text.extend(((TABLES + table.div_ceil(SECTOR)) as u32).to_be_bytes());
    text.extend([0; 4]);
    text.extend(record(&[0], root.sector, root.size, true, &[]));
    spaces(&mut text, 574);
    text.extend(b"GOLDSMITH");
    spaces(&mut text, 813);
    (0..4).for_each(|_| text.extend(NO_TIME));
    text.push(1);
    sectors(&text)
}

/// Returns a number in both byte orders (ECMA-119, 7.3.3). Sizes here are far below the limit of 4 GiB.
fn both(number: usize) -> Vec<u8> {
    let number = number as u32;
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

fn both_halves(number: u16) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

/// Pads bytes with zeros to the end of their last sector.
fn sectors(bytes: &[u8]) -> Vec<u8> {
    let mut whole = bytes.to_vec();
    whole.resize(bytes.len().next_multiple_of(SECTOR), 0);
    whole
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use hadris_fs::sync::Volume;
    use hadris_fs::{MountOptions, OpenOptions};
    use hadris_iso::Namespace;
    use hadris_iso::sync::IsoFs;

    use super::*;

    /// Reads a file with the reader of another program.
    fn read(image: &[u8], namespace: Namespace, path: &str) -> Vec<u8> {
        let iso = IsoFs::mount_namespace(image.to_vec(), MountOptions::new(), namespace).expect("ISO 9660");
        let volume = Volume::new(iso);
        let mut file = volume.open(path, OpenOptions::new().read()).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut found = Vec::new();
        file.read_to_end(&mut found).expect("it can be read");
        found
    }

    #[test]
    fn directories_of_many_sectors_and_files_of_any_size_are_read_again() {
        let mut files: Vec<(String, Vec<u8>)> = (0..200)
            .map(|number| (format!("many/deep/er/file-{number}.json"), vec![number as u8; number * 37]))
            .collect();
        // An empty file, a sector less one byte, a sector, and a sector and one byte.
        files.extend([0, SECTOR - 1, SECTOR, SECTOR + 1].map(|size| (format!("size_{size}"), vec![b'x'; size])));
        files.extend((0..150).map(|number| (format!("d{number}/a"), vec![number as u8])));
        let image = image("label", &files);
        assert_eq!(image.len() % SECTOR, 0);
        for (path, content) in &files {
            assert_eq!(&read(&image, Namespace::RockRidge, path), content, "{path}");
        }
        // For readers without Rock Ridge.
        assert_eq!(read(&image, Namespace::Primary, "SIZE_2047").len(), SECTOR - 1);
        assert_eq!(read(&image, Namespace::Primary, "MANY/DEEP/ER/FILE_7.JSON"), vec![7; 7 * 37]);
        assert_eq!(&image[0x8028..0x8048], b"label                           ");
    }

    #[test]
    fn names_have_the_characters_of_the_standard() {
        for (name, expected) in [("meta_data.json", "META_DATA.JSON"), ("2009-04-04", "2009_04_04"), ("a.b.c", "A_B.C")]
        {
            assert_eq!(String::from_utf8(identifier(name)).expect("ASCII"), expected);
        }
    }
}
