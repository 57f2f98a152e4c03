//! The screen of a machine: as a picture, and as text if the graphics card is in text mode.

use std::io;

/// Largest picture, in pixels: the guest chooses the size of its screen.
const PIXELS: u64 = 64 << 20;

/// Columns and lines of VGA's text mode, which firmware and kernels without graphics use.
const TEXT: (usize, usize) = (80, 25);

/// Address of a VGA card's text in the guest's memory, and its length: a character and its colours for each place.
pub(super) const TEXT_MEMORY: (u64, usize) = (0xb8000, TEXT.0 * TEXT.1 * 2);

/// Converts a picture in the Portable Pixmap format (`P6`), which every QEMU writes, to a PNG file.
pub(super) fn png_of(ppm: &[u8]) -> io::Result<Vec<u8>> {
    let bad = || io::Error::new(io::ErrorKind::InvalidData, "QEMU wrote no picture");
    let mut rest = ppm;
    let mut word = || {
        let begin = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        let end = begin + rest[begin..].iter().position(u8::is_ascii_whitespace)?;
        let word = std::str::from_utf8(&rest[begin..end]).ok()?;
        // A single white space ends the header.
        rest = &rest[end + 1..];
        Some(word)
    };
    let ("P6", Some(width), Some(height), Some("255")) = (
        word().unwrap_or_default(),
        word().and_then(|word| word.parse::<u32>().ok()),
        word().and_then(|word| word.parse::<u32>().ok()),
        word(),
    ) else {
        return Err(bad());
    };
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > PIXELS || rest.len() as u64 != pixels * 3 {
        return Err(bad());
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(rest)).map_err(io::Error::other)?;
    Ok(file)
}

/// Returns the lines of a screen in text mode, from its memory; `None` if the memory holds no text, as in graphics modes.
pub(super) fn text_of(memory: &[u8]) -> Option<Vec<String>> {
    let characters: Vec<u8> = memory.chunks_exact(2).map(|place| place[0]).collect();
    // Code page 437: frames and the like are beyond ASCII, and 0 is a space.
    let plain = characters.iter().filter(|byte| matches!(byte, 0 | b' '..=b'~' | 0xb0..=0xdf)).count();
    if characters.len() != TEXT.0 * TEXT.1 || plain * 20 < characters.len() * 19 {
        return None;
    }
    let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { ' ' };
    let mut lines: Vec<String> = characters
        .chunks(TEXT.0)
        .map(|line| line.iter().map(shown).collect::<String>().trim_end().to_owned())
        .collect();
    lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_keep_their_pixels() {
        let pixels = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 10, 32];
        let file = png_of(&[b"P6\n2 2\n255\n", &pixels[..]].concat()).expect("a picture");
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().expect("a PNG file");
        let mut decoded = vec![0; 12];
        let info = reader.next_frame(&mut decoded).expect("a picture");
        assert_eq!((info.width, info.height), (2, 2));
        assert_eq!(decoded, pixels);
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        for bytes in [
            &b""[..],
            b"P6",
            b"P5\n1 1\n255\nx",
            b"P6\n1 1\n255\nxx",
            b"P6\n1 1\n255\nxxxx",
            b"P6\n0 1\n255\n",
            b"P6\n65536 65536\n255\nxxx",
            b"P6\n99999999999 1\n255\nxxx",
            b"P6\n-1 1\n255\nxxx",
        ] {
            assert!(png_of(bytes).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn text_is_read_and_graphics_are_not() {
        let mut memory = [0x20, 0x07].repeat(TEXT.0 * TEXT.1);
        assert_eq!(text_of(&memory), None, "nothing is shown");
        for (at, byte) in b"No bootable device.".iter().enumerate() {
            memory[(3 * TEXT.0 + at) * 2] = *byte;
        }
        assert_eq!(text_of(&memory).expect("text"), ["", "", "", "No bootable device."]);
        assert_eq!(text_of(&memory[1..]), None);
        assert_eq!(text_of(&vec![0xff; memory.len()]), None);
    }
}
