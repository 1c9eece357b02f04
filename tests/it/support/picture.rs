//! Pictures, good and bad.

use std::io::Cursor;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage};

/// A picture whose upper left corner is red.
fn picture(width: u32, height: u32) -> DynamicImage {
    let corner = |x, y| x < width / 2 && y < height / 2;
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, y| {
        if corner(x, y) { Rgb([230, 20, 20]) } else { Rgb([20, 20, u8::try_from((x + y) % 200).unwrap()]) }
    }))
}

pub(crate) fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture(width, height).write_to(&mut out, format).unwrap();
    out.into_inner()
}

pub(crate) fn png() -> Vec<u8> {
    encoded(ImageFormat::Png, 64, 48)
}

pub(crate) fn jpeg() -> Vec<u8> {
    encoded(ImageFormat::Jpeg, 64, 48)
}

pub(crate) fn webp() -> Vec<u8> {
    encoded(ImageFormat::WebP, 64, 48)
}

pub(crate) fn gif() -> Vec<u8> {
    frames(1)
}

/// A GIF that moves.
pub(crate) fn frames(count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new(&mut out);
    for _ in 0..count {
        encoder.encode_frame(Frame::new(picture(64, 48).to_rgba8())).unwrap();
    }
    drop(encoder);
    out
}

/// With a segment of its own after the first two bytes.
pub(crate) fn jpeg_with(marker: u8, payload: &[u8]) -> Vec<u8> {
    let jpeg = jpeg();
    let length = u16::try_from(payload.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, payload, &jpeg[2..]].concat()
}

/// Turned by its EXIF data, which also says where it was taken.
pub(crate) fn photo(orientation: u16, place: &str) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08".to_vec();
    let entries: u16 = 2;
    exif.extend(entries.to_be_bytes());
    let text = [place.as_bytes(), b"\0"].concat();
    let text_at = 8 + 2 + 2 * 12 + 4;
    // ImageDescription, then Orientation.
    exif.extend(0x010e_u16.to_be_bytes());
    exif.extend(2_u16.to_be_bytes());
    exif.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    exif.extend(u32::try_from(text_at).unwrap().to_be_bytes());
    exif.extend(0x0112_u16.to_be_bytes());
    exif.extend(3_u16.to_be_bytes());
    exif.extend(1_u32.to_be_bytes());
    exif.extend(orientation.to_be_bytes());
    exif.extend([0, 0]);
    exif.extend([0; 4]);
    exif.extend(text);
    jpeg_with(0xe1, &exif)
}

/// A PNG with one more chunk before its picture.
pub(crate) fn png_with(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let png = png();
    [&png[..33], &chunk(kind, payload), &png[33..]].concat()
}

/// A PNG that says it is this large and has next to nothing.
pub(crate) fn huge_png(width: u32, height: u32, depth: u8, color: u8) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([depth, color, 0, 0, 0]);
    // An empty stream of zlib's.
    let data = [0x78, 0x9c, 0x03, 0, 0, 0, 0, 1];
    [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &head), &chunk(b"IDAT", &data), &chunk(b"IEND", b"")].concat()
}

/// A JPEG whose head says another size.
pub(crate) fn huge_jpeg(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = jpeg();
    let head = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[head + 5..head + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[head + 7..head + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

/// A GIF whose screen is this large.
pub(crate) fn huge_gif(edge: u16) -> Vec<u8> {
    let mut gif = gif();
    gif[6..8].copy_from_slice(&edge.to_le_bytes());
    gif[8..10].copy_from_slice(&edge.to_le_bytes());
    gif
}

fn chunk(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let named = [&kind[..], payload].concat();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[..], &named, &crc(&named).to_be_bytes()].concat()
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 },
        )
    };
    !bytes.iter().fold(u32::MAX, step)
}
