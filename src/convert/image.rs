//! An image, decoded within limits and encoded anew: what is kept are its pixels and nothing else that came.

use std::io::{Cursor, Read, Write};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{
    DynamicImage, GenericImageView as _, ImageDecoder, ImageEncoder as _, ImageError, ImageFormat,
    ImageReader, Limits,
};

use super::ImageReport;
use super::child::{Fault, Stop};

/// Larger ones are refused by their header.
const PIXELS: u64 = 25_000_000;
/// Decoded: four bytes for each of these.
const DECODED: u64 = 4 * PIXELS;
/// A whole upload is read at once: more than this is none that is decoded here.
const INPUT: u64 = 128 << 20;
/// The longer edge of what is kept: a page of a worksheet stays readable.
const EDGE: u32 = 2048;
const PREVIEW_EDGE: u32 = 320;
const QUALITY: u8 = 88;
const PREVIEW_QUALITY: u8 = 80;
/// A drawing is smaller than this as a PNG; what is larger is a photograph.
const DRAWING: usize = 1536 << 10;

pub(super) fn convert(from: impl Read, mut into: impl Write) -> Result<(), Stop> {
    let mut bytes = Vec::new();
    from.take(INPUT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > INPUT {
        return Err(Fault::TooLarge.into());
    }
    let (image, format) = decode(bytes)?;
    let (media_type, whole) = encode(&image, format)?;
    let preview = preview(&image)?;
    let report = ImageReport {
        media_type: media_type.to_owned(),
        width: i32::try_from(image.width()).map_err(|_| Fault::TooLarge)?,
        height: i32::try_from(image.height()).map_err(|_| Fault::TooLarge)?,
        bytes: whole.len() as u64,
        preview_bytes: preview.len() as u64,
    };
    writeln!(into, "{}", serde_json::to_string(&report).map_err(std::io::Error::from)?)?;
    into.write_all(&whole)?;
    into.write_all(&preview)?;
    Ok(into.flush()?)
}

/// The first frame, upright, and no larger than is kept.
fn decode(bytes: Vec<u8>) -> Result<(DynamicImage, ImageFormat), Fault> {
    if is_cut_off(&bytes) {
        return Err(Fault::Broken);
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| Fault::Broken)?;
    let format = reader.format().ok_or(Fault::Broken)?;
    let mut reader = reader;
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(DECODED);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(fault)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PIXELS || decoder.total_bytes() > DECODED {
        return Err(Fault::TooLarge);
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(fault)?;
    let mut image = if width.max(height) > EDGE { image.thumbnail(EDGE, EDGE) } else { image };
    image.apply_orientation(orientation);
    Ok((image, format))
}

/// Whether it is a JPEG without its end: decoders make grey of what is missing. A preview among its metadata
/// has an end of its own, which does not count.
fn is_cut_off(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0xff, 0xd8]) {
        return false;
    }
    let mut at = 2;
    while let Some([0xff, marker, rest @ ..]) = bytes.get(at..) {
        match (*marker, rest) {
            // Filling; and markers that stand alone.
            (0xff, _) => at += 1,
            (0x01 | 0xd0..=0xd8, _) => at += 2,
            // The picture itself, in which no end can be meant otherwise.
            (0xda, rest) => return memchr::memmem::rfind(rest, &[0xff, 0xd9]).is_none(),
            (_, [high, low, ..]) => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
            _ => return true,
        }
    }
    true
}

fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooLarge,
        _ => Fault::Broken,
    }
}

fn encode(image: &DynamicImage, format: ImageFormat) -> Result<(&'static str, Vec<u8>), Fault> {
    let see_through = image.color().has_alpha() && image.pixels().any(|(_, _, pixel)| pixel.0[3] < u8::MAX);
    let photograph = matches!(format, ImageFormat::Jpeg | ImageFormat::WebP);
    if see_through || !photograph {
        let drawing = png(image, see_through)?;
        if see_through || drawing.len() <= DRAWING {
            return Ok(("image/png", drawing));
        }
    }
    Ok(("image/jpeg", jpeg(image, QUALITY)?))
}

fn png(image: &DynamicImage, see_through: bool) -> Result<Vec<u8>, Fault> {
    let image = match (see_through, image.color().has_color()) {
        (true, _) => DynamicImage::ImageRgba8(image.to_rgba8()),
        (false, true) => DynamicImage::ImageRgb8(image.to_rgb8()),
        (false, false) => DynamicImage::ImageLuma8(image.to_luma8()),
    };
    let mut out = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut out, CompressionType::Default, FilterType::Adaptive);
    let (width, height) = image.dimensions();
    encoder.write_image(image.as_bytes(), width, height, image.color().into()).map_err(fault)?;
    Ok(out)
}

fn jpeg(image: &DynamicImage, quality: u8) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    JpegEncoder::new_with_quality(&mut out, quality).encode_image(&image.to_rgb8()).map_err(fault)?;
    Ok(out)
}

/// On white, where it can be seen through.
fn preview(image: &DynamicImage) -> Result<Vec<u8>, Fault> {
    let small = image.thumbnail(PREVIEW_EDGE.min(image.width()), PREVIEW_EDGE.min(image.height()));
    let mut small = small.to_rgba8();
    for pixel in small.pixels_mut() {
        let [.., alpha] = pixel.0;
        for value in &mut pixel.0[..3] {
            let (value_, alpha) = (u32::from(*value), u32::from(alpha));
            *value = u8::try_from((value_ * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX);
        }
        pixel.0[3] = u8::MAX;
    }
    jpeg(&DynamicImage::ImageRgba8(small), PREVIEW_QUALITY)
}
