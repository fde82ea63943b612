//! Pictures: decoded, made small enough to show, and encoded anew, so that nothing of the file itself reaches a browser.
//!
//! Raster pictures are read by `image`; SVG is drawn to a raster by `resvg`, without scripts, files or addresses of its own.
//! Of an animation the first picture is kept.

use std::io::Cursor;
use std::sync::{Arc, OnceLock};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::FilterType as Scaling;
use image::{DynamicImage, ImageFormat, ImageReader, RgbaImage};
use resvg::{tiny_skia, usvg};
use serde::{Deserialize, Serialize};

use crate::model::Error;

/// Maximum size of a picture's file.
pub const MAX_INPUT_BYTES: usize = 20 << 20;
/// Maximum number of pixels that are decoded, and of bytes that decoding takes.
const MAX_DECODED_PIXELS: u64 = 40_000_000;
const MAX_DECODED_BYTES: u64 = 256 << 20;
/// Maximum width and height of a picture as it is shown.
const MAX_WIDTH: u32 = 1_600;
const MAX_HEIGHT: u32 = 2_400;
/// Maximum size of a picture as it is shown. A larger PNG becomes a JPEG.
const MAX_OUTPUT_BYTES: usize = 3 << 20;
/// Quality of JPEG.
const QUALITY: u8 = 85;
/// Number of bytes at the beginning of a file that are searched for `<svg`.
const HEAD_BYTES: usize = 4 << 10;
/// Maximum depth and number of elements of an SVG.
const MAX_SVG_BYTES: usize = 4 << 20;

/// A picture that can be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Format of the file it was read from: "a GIF image".
    pub source: String,
    /// `image/png` or `image/jpeg`.
    pub media_type: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Encoded bytes.
    #[serde(with = "base64_bytes")]
    pub bytes: Vec<u8>,
}

/// A picture within a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddedPicture {
    /// Target by which references of the document name it.
    pub target: String,
    /// The picture.
    pub picture: Picture,
}

/// Format of a picture's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureFormat {
    /// A raster format.
    Raster(ImageFormat),
    /// Scalable Vector Graphics.
    Svg,
}

impl PictureFormat {
    /// Returns the name of the format, with its article.
    fn name(self) -> &'static str {
        match self {
            Self::Raster(ImageFormat::Png) => "a PNG image",
            Self::Raster(ImageFormat::Jpeg) => "a JPEG image",
            Self::Raster(ImageFormat::Gif) => "a GIF image",
            Self::Raster(_) => "a WebP image",
            Self::Svg => "an SVG image",
        }
    }
}

/// Detects the format of a picture by its first bytes; `None` for other files. SVG needs its ending too: it is text, and pages of HTML
/// can begin with it.
pub fn detect(name: &str, bytes: &[u8]) -> Option<PictureFormat> {
    let raster = match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some(ImageFormat::Png),
        [0xff, 0xd8, 0xff, ..] => Some(ImageFormat::Jpeg),
        [b'G', b'I', b'F', b'8', ..] => Some(ImageFormat::Gif),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(ImageFormat::WebP),
        _ => None,
    };
    if let Some(format) = raster {
        return Some(PictureFormat::Raster(format));
    }
    let is_named = name.rsplit('.').next().is_some_and(|ending| ending.eq_ignore_ascii_case("svg"));
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    (is_named && head.windows(4).any(|window| window == b"<svg")).then_some(PictureFormat::Svg)
}

/// Returns why a file is no document if it is a picture; `None` for other files.
pub fn why_no_document(name: &str, bytes: &[u8]) -> Option<String> {
    let format = detect(name, bytes)?;
    Some(format!("{name} is {}: it is shown in documents that refer to it", format.name()))
}

/// Decodes a picture, makes it small enough, and encodes it anew.
///
/// # Errors
///
/// Fails if the file is damaged, or exceeds a limit.
pub fn read(name: &str, format: PictureFormat, bytes: &[u8]) -> Result<Picture, Error> {
    let cannot = |reason: &str| {
        Error::Unsupported(format!("{name} is {}: it cannot be shown: {reason}", format.name()))
    };
    if bytes.len() > MAX_INPUT_BYTES {
        return Err(cannot(&format!("it is larger than {} MiB", MAX_INPUT_BYTES >> 20)));
    }
    let picture = match format {
        PictureFormat::Raster(format) => raster(format, bytes),
        PictureFormat::Svg => svg(bytes),
    };
    let picture = picture.map_err(|reason| cannot(&reason))?;
    Ok(Picture { source: format.name().to_owned(), ..picture })
}

fn raster(format: ImageFormat, bytes: &[u8]) -> Result<Picture, String> {
    let reader = || {
        let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
        let mut limits = image::Limits::default();
        limits.max_alloc = Some(MAX_DECODED_BYTES);
        reader.limits(limits);
        reader
    };
    let (width, height) = reader().into_dimensions().map_err(|error| error.to_string())?;
    if u64::from(width) * u64::from(height) > MAX_DECODED_PIXELS {
        return Err(format!("it has more than {} million pixels", MAX_DECODED_PIXELS / 1_000_000));
    }
    let image = reader().decode().map_err(|error| error.to_string())?;
    encode(image, format == ImageFormat::Jpeg)
}

/// Draws an SVG. Text has the fonts that [`load_fonts`] has found.
fn svg(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.len() > MAX_SVG_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_SVG_BYTES >> 20));
    }
    let mut options = usvg::Options {
        image_href_resolver: usvg::ImageHrefResolver {
            resolve_data: usvg::ImageHrefResolver::default_data_resolver(),
            // Files and addresses are not for it.
            resolve_string: Box::new(|_, _| None),
        },
        ..usvg::Options::default()
    };
    if let Some(fonts) = FONTS.get() {
        options.fontdb = Arc::clone(fonts);
    }
    "sans-serif".clone_into(&mut options.font_family);
    let tree = usvg::Tree::from_data(bytes, &options).map_err(|error| error.to_string())?;
    let size = tree.size();
    let largest =
        (1.0_f32).min(dimension(MAX_WIDTH) / size.width()).min(dimension(MAX_HEIGHT) / size.height());
    // Small drawings are drawn twice as large, so that they are sharp on every screen.
    let is_small = size.width() <= dimension(MAX_WIDTH) / 4.0 && size.height() <= dimension(MAX_HEIGHT) / 4.0;
    let scale = if is_small { 2.0 } else { largest };
    let pixels = |side: f32| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the limits")]
        let pixels = (side * scale).ceil().clamp(1.0, dimension(MAX_HEIGHT)) as u32;
        pixels
    };
    let (width, height) = (pixels(size.width()), pixels(size.height()));
    let mut drawn = tiny_skia::Pixmap::new(width, height).ok_or("it has no size")?;
    resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut drawn.as_mut());
    let mut raster = Vec::with_capacity(drawn.pixels().len() * 4);
    for pixel in drawn.pixels() {
        let pixel = pixel.demultiply();
        raster.extend([pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]);
    }
    let raster = RgbaImage::from_raw(width, height, raster).ok_or("it has no size")?;
    let mut picture = encode(DynamicImage::ImageRgba8(raster), false)?;
    if scale > 1.0 {
        // Shown in the size that it states.
        (picture.width, picture.height) = (picture.width.div_ceil(2), picture.height.div_ceil(2));
    }
    Ok(picture)
}

fn dimension(pixels: u32) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let dimension = pixels as f32;
    dimension
}

/// Makes an image small enough and encodes it: a photograph as JPEG, others as PNG if that is not too large.
fn encode(image: DynamicImage, is_photograph: bool) -> Result<Picture, String> {
    let image = if image.width() > MAX_WIDTH || image.height() > MAX_HEIGHT {
        image.resize(MAX_WIDTH, MAX_HEIGHT, Scaling::Triangle)
    } else {
        image
    };
    let (width, height) = (image.width(), image.height());
    let mut bytes = Vec::new();
    if !is_photograph {
        let encoder =
            PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
        let image = if image.color().has_alpha() {
            DynamicImage::ImageRgba8(image.to_rgba8())
        } else {
            DynamicImage::ImageRgb8(image.to_rgb8())
        };
        image.write_with_encoder(encoder).map_err(|error| error.to_string())?;
        if bytes.len() <= MAX_OUTPUT_BYTES {
            return Ok(Picture {
                source: String::new(),
                media_type: "image/png".to_owned(),
                width,
                height,
                bytes,
            });
        }
        bytes.clear();
    }
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    on_white(&image).write_with_encoder(encoder).map_err(|error| error.to_string())?;
    if bytes.len() > MAX_OUTPUT_BYTES {
        return Err(format!("it takes more than {} MiB", MAX_OUTPUT_BYTES >> 20));
    }
    Ok(Picture { source: String::new(), media_type: "image/jpeg".to_owned(), width, height, bytes })
}

/// Puts a picture that is transparent in parts on white, since JPEG has no transparency.
fn on_white(image: &DynamicImage) -> DynamicImage {
    if !image.color().has_alpha() {
        return DynamicImage::ImageRgb8(image.to_rgb8());
    }
    let mut ground = RgbaImage::from_pixel(image.width(), image.height(), image::Rgba([255; 4]));
    image::imageops::overlay(&mut ground, &image.to_rgba8(), 0, 0);
    DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(ground).to_rgb8())
}

/// Fonts for the text of drawings, shared by all of them.
static FONTS: OnceLock<Arc<usvg::fontdb::Database>> = OnceLock::new();

/// Files of fonts on Linux and macOS that are widely installed, in the order of preference. The last ones have Chinese.
const FONT_FILES: [&str; 12] = [
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Bold.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/System/Library/Fonts/Helvetica.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/System/Library/Fonts/PingFang.ttc",
];
/// Maximum size of all fonts together.
const MAX_FONT_BYTES: u64 = 32 << 20;

/// Loads fonts for the text of drawings. A process that gives up its right to open files calls this before. Without fonts,
/// drawings have no text.
pub fn load_fonts() {
    FONTS.get_or_init(|| {
        let mut fonts = usvg::fontdb::Database::new();
        let mut left = MAX_FONT_BYTES;
        for file in FONT_FILES {
            let size = std::fs::metadata(file).map_or(u64::MAX, |about| about.len());
            let Some(rest) = left.checked_sub(size) else { continue };
            if let Ok(bytes) = std::fs::read(file) {
                fonts.load_font_data(bytes);
                left = rest;
            }
        }
        // Families that no font has fall back to one that is there.
        let family = fonts.faces().find_map(|face| face.families.first().map(|(name, _)| name.clone()));
        if let Some(family) = family {
            let mono = fonts.faces().find(|face| face.monospaced);
            let mono = mono.and_then(|face| face.families.first().map(|(name, _)| name.clone()));
            fonts.set_monospace_family(mono.unwrap_or_else(|| family.clone()));
            fonts.set_serif_family(family.clone());
            fonts.set_cursive_family(family.clone());
            fonts.set_fantasy_family(family.clone());
            fonts.set_sans_serif_family(family);
        }
        Arc::new(fonts)
    });
}

/// Reads the picture of an address that holds it (`data:`, [RFC 2397](https://www.rfc-editor.org/rfc/rfc2397)); `None` if there is none
/// that can be shown.
pub(crate) fn of_data_address(address: &str) -> Option<Picture> {
    use base64::Engine as _;
    let (head, data) = address.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.split(';').next().unwrap_or_default();
    let name = if media_type.eq_ignore_ascii_case("image/svg+xml") { "picture.svg" } else { "picture" };
    let bytes = if head.to_ascii_lowercase().ends_with(";base64") {
        let data: String = data.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        let data = percent_decoded(&data);
        base64::engine::general_purpose::STANDARD.decode(data).ok()?
    } else {
        percent_decoded(data)
    };
    let format = detect(name, &bytes)?;
    read(name, format, &bytes).ok()
}

fn percent_decoded(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).filter(|_| *byte == b'%');
        let value = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    decoded
}

/// Bytes as base64, which takes a third of what a list of numbers does.
mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let mut image = RgbaImage::from_pixel(width, height, image::Rgba([200, 30, 60, 255]));
        image.put_pixel(0, 0, image::Rgba([0, 0, 0, if format == ImageFormat::Png { 0 } else { 255 }]));
        let image = DynamicImage::ImageRgba8(image);
        let image =
            if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(image.to_rgb8()) } else { image };
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn pictures_of_each_format_are_encoded_anew() {
        for (format, media_type) in [
            (ImageFormat::Png, "image/png"),
            (ImageFormat::Jpeg, "image/jpeg"),
            (ImageFormat::Gif, "image/png"),
            (ImageFormat::WebP, "image/png"),
        ] {
            let mut bytes = encoded(format, 40, 20);
            bytes.extend(b"<script>alert(1)</script>");
            let detected = detect("x", &bytes).unwrap();
            let picture = read("x", detected, &bytes).unwrap();
            assert_eq!((picture.media_type.as_str(), picture.width, picture.height), (media_type, 40, 20));
            assert!(!picture.bytes.windows(6).any(|window| window == b"script"));
            assert!(image::load_from_memory(&picture.bytes).is_ok());
        }
    }

    #[test]
    fn large_pictures_are_made_smaller_and_huge_ones_refused() {
        let bytes = encoded(ImageFormat::Png, 3200, 1000);
        let picture = read("x.png", detect("x.png", &bytes).unwrap(), &bytes).unwrap();
        assert_eq!((picture.width, picture.height), (1600, 500));
        // A header that claims more pixels than are decoded.
        let mut bytes = encoded(ImageFormat::Png, 10, 10);
        bytes[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let error = read("x.png", PictureFormat::Raster(ImageFormat::Png), &bytes).unwrap_err().to_string();
        assert!(error.starts_with("x.png is a PNG image: it cannot be shown: "), "{error}");
    }

    #[test]
    fn drawings_become_rasters_without_anything_of_their_own() {
        let svg = br#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
            width="120" height="60" onload="alert(1)"><script>alert(1)</script><style>rect { fill: #c00 }</style>
            <image xlink:href="/etc/passwd" width="10" height="10"/><image href="https://evil.example/x.png" width="9" height="9"/>
            <rect width="120" height="60"/></svg>"#;
        let format = detect("a.svg", svg).unwrap();
        assert_eq!(format, PictureFormat::Svg);
        let picture = read("a.svg", format, svg).unwrap();
        assert_eq!((picture.width, picture.height), (120, 60));
        let drawn = image::load_from_memory(&picture.bytes).unwrap().to_rgba8();
        assert_eq!(drawn.get_pixel(100, 50).0, [204, 0, 0, 255]);
        for broken in ["<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"><rect", "<svg xmlns=\"x\"/>"] {
            assert!(read("a.svg", PictureFormat::Svg, broken.as_bytes()).is_err(), "{broken}");
        }
        assert_eq!(detect("page.html", svg), None);
    }

    #[test]
    fn addresses_can_hold_pictures() {
        use base64::Engine as _;
        let png = base64::engine::general_purpose::STANDARD.encode(encoded(ImageFormat::Png, 3, 2));
        let picture = of_data_address(&format!("data:image/png;base64,{png}")).unwrap();
        assert_eq!((picture.width, picture.height), (3, 2));
        let svg = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='8' height='4'/%3E";
        assert_eq!(of_data_address(svg).map(|picture| picture.width), Some(8));
        for other in
            ["data:text/html,<script>", "data:image/png;base64,!!", "https://x.example/a.png", "data:"]
        {
            assert_eq!(of_data_address(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn damaged_pictures_are_refused(at in 0_usize..200, byte in any::<u8>(), cut in 8_usize..200) {
            for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Jpeg] {
                let mut bytes = encoded(format, 9, 9);
                if let Some(changed) = bytes.get_mut(at) {
                    *changed = byte;
                }
                bytes.truncate(cut);
                if let Some(format) = detect("x", &bytes) {
                    let _read_or_refused = read("x", format, &bytes);
                }
            }
        }
    }
}
