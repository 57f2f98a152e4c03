//! Reading of `/etc/fstab`, as mount(8) reads it: fstab(5).

/// A line of fstab(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The device, as the file names it: `UUID=...`, `/dev/sda1`.
    pub source: String,
    /// The mount point. That of swap means nothing.
    pub path: String,
    /// Type of the file system: `ext4`, `swap`.
    pub kind: String,
    /// Mount options, separated by commas; empty if there are none.
    pub options: String,
}

/// Returns the lines of a file. In its fields, octal numbers stand for some characters: `\040` for a space.
pub fn lines(text: &str) -> Vec<Line> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    let parsed = lines.filter_map(|line| {
        let mut fields = line.split([' ', '\t']).filter(|field| !field.is_empty()).map(unescaped);
        let (source, path, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next());
        Some(Line { source, path, kind, options: options.unwrap_or_default() })
    });
    parsed.collect()
}

/// A field of fstab(5): a backslash and three octal digits are a byte.
fn unescaped(field: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), field.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(|c| (b'0'..b'8').contains(c)));
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `findmnt` tells what the C library and systemd take a file for.
    #[test]
    fn fstab_is_read_as_mount_reads_it() {
        let text = "# UUID=0 /no ext4\n\n  #x /no ext4\nLABEL=my\\040disk /a\\040b\\134c\text4 \t defaults,x=\\0541 0 1\n\
            /dev/sda1 none swap sw 0 0\nUUID=1-1 / ext4\n/dev/sdb /\\09 ext4 ro\n";
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let ran = std::process::Command::new("findmnt")
            .args(["--raw", "--noheadings", "-o", "SOURCE,TARGET,FSTYPE", "--tab-file"])
            .arg(file.path())
            .output()
            .expect("findmnt is there");
        let said = String::from_utf8(ran.stdout).expect("text");
        // It writes what is no plain character as \xNN.
        let plain = |word: &str| word.replace("\\x20", " ").replace("\\x5c", "\\");
        let theirs: Vec<_> = said.lines().map(|line| line.split(' ').map(plain).collect::<Vec<_>>()).collect();
        let ours: Vec<_> = lines(text).into_iter().map(|it| vec![it.source, it.path, it.kind]).collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours[0], ["LABEL=my disk", "/a b\\c", "ext4"]);
    }
}
