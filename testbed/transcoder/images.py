"""Images for the transcoder's scenarios, and what another decoder (Pillow) finds in the results.

    images.py make DIRECTORY
    images.py look FILE ORIGINAL [FILE ORIGINAL]...     one line of JSON for each pair
"""

import json
import math
import os
import struct
import sys
import zlib
from io import BytesIO

from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageOps, ImageSequence, ImageStat

PROFILE = os.path.join(os.path.dirname(__file__), "p3.icc")


def photo(width, height):
    """Something smooth with edges, in strong colours."""
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            wave = math.sin(x / 17) * math.cos(y / 13)
            image.putpixel((x, y), (int(128 + 100 * wave), 255 * x // width, 255 * y // height))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width // 4, height // 4, width // 2, height // 2), fill=(220, 30, 20))
    draw.rectangle((width // 2, height // 2, width - 9, height - 9), outline=(250, 250, 0), width=5)
    return image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def make(directory):
    def save(image, name, **options):
        image.save(os.path.join(directory, name), **options)

    def write(name, data):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(data)

    image = photo(200, 150)
    turned = Image.Exif()
    turned[0x0112] = 6
    save(image, "plain.jpg", quality=90)
    save(image, "turned.jpg", quality=90, exif=turned)
    save(image, "progressive.jpg", quality=90, progressive=True)
    with open(PROFILE, "rb") as file:
        profile = file.read()
    save(image, "wide.jpg", quality=90, icc_profile=profile)
    save(image, "wide.png", icc_profile=profile)
    clear = image.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    save(clear, "alpha.png")
    save(image.quantize(64), "palette.png")
    deep = Image.new("I;16", (120, 90))
    deep.frombytes(b"".join(struct.pack("<H", (x * 541) % 65536) for x in range(120 * 90)))
    save(deep, "deep.png")
    # Sixteen bits a channel in colours, which Pillow does not write.
    rows = b"".join(
        b"\0" + b"".join(struct.pack(">3H", x * 512, y * 700, 65535 - x * 400) for x in range(100))
        for y in range(80)
    )
    header = struct.pack(">2I5B", 100, 80, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    write("deep-color.png", png + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    save(image, "lossy.webp", quality=85)
    save(clear, "lossless.webp", lossless=True)
    frames = []
    for step in range(4):
        frame = image.resize((80, 60)).convert("RGBA")
        ImageDraw.Draw(frame).ellipse((step * 18, 10, step * 18 + 20, 30), fill=(0, 0, 255, 255))
        frames.append(frame)
    times = {"duration": [100, 200, 350, 60], "save_all": True, "append_images": frames[1:]}
    save(frames[0], "moving.gif", loop=3, disposal=2, **times)
    save(frames[0], "moving.webp", loop=4, quality=80, **times)
    save(image.quantize(32), "still.gif")
    # Larger than anything is for: a few kilobytes that say they are gigabytes.
    header = struct.pack(">2I5B", 50_000, 50_000, 1, 0, 0, 0, 0)
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(b"\0" * (6251 * 1000)) for _ in range(2)) + rows.flush()
    write("bomb.png", png + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    # Four thousand frames of one pixel on a large canvas.
    frame = b"\x21\xf9\x04\x04\x01\0\0\0" + b"\x2c" + struct.pack("<4H", 0, 0, 1, 1) + b"\0\x02\x02\x44\x01\0"
    bomb = b"GIF89a" + struct.pack("<2H", 3000, 3000) + b"\x80\0\0" + b"\xff\0\0\0\0\xff"
    write("bomb.gif", bomb + frame * 4000 + b"\x3b")
    with open(os.path.join(directory, "plain.jpg"), "rb") as file:
        plain = file.read()
    write("cut.jpg", plain[: len(plain) // 2])
    at = plain.index(b"\xff\xc0") + 5
    write("lies.jpg", plain[:at] + b"\xff\xff\xff\xff" + plain[at + 4 :])
    with open(os.path.join(directory, "alpha.png"), "rb") as file:
        write("cut.png", file.read()[:5000])
    write("page.png", b"<html>not found</html>")
    # Work for seconds: noise does not compress.
    save(Image.effect_noise((150, 150), 90).convert("RGB"), "slow.png")
    save(Image.effect_noise((320, 320), 90).convert("RGB"), "noise.png")
    # Beyond what a small child has, once the limit on pixels is lifted.
    save(Image.new("RGB", (9000, 9000), (200, 20, 20)), "large.png")


def srgb(image):
    """Without its profile, as the profile says."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA"):
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        image = ImageCms.profileToProfile(image, source, target, outputMode=image.mode)
    return image


def flat(image):
    """In front of something gray, so that what cannot be seen does not count."""
    if image.mode == "I;16":
        image = image.point(lambda v: v / 256, "L")
    image = image.convert("RGBA")
    ground = Image.new("RGBA", image.size, (90, 90, 90, 255))
    return Image.alpha_composite(ground, image).convert("RGB")


def luma(image):
    return Image.merge("RGB", [image.convert("L", (0.2126, 0.7152, 0.0722, 0))] * 3)


def frames(image):
    return [(frame.copy(), frame.info.get("duration")) for frame in ImageSequence.Iterator(image)]


def look(result, original):
    found = Image.open(result)
    expected = Image.open(original)
    pairs = list(zip(frames(found), frames(expected)))
    gray, difference = True, 0.0
    for (one, _), (other, _) in pairs:
        one = flat(one)
        other = flat(srgb(ImageOps.exif_transpose(other))).resize(one.size, Image.Resampling.LANCZOS)
        red, green, blue = one.split()
        chroma = max(
            ImageStat.Stat(ImageChops.difference(red, green)).mean[0],
            ImageStat.Stat(ImageChops.difference(green, blue)).mean[0],
        )
        if chroma > 1.5:
            gray = False
        # A gray result is compared with what the original is in gray.
        other = luma(other) if chroma <= 1.5 else other
        difference = max(difference, *ImageStat.Stat(ImageChops.difference(one, other)).mean)
    info = Image.open(result)
    print(json.dumps({
        "format": found.format,
        "mode": info.mode,
        "size": list(info.size),
        "frames": getattr(info, "n_frames", 1),
        "alpha": info.mode in ("LA", "RGBA", "PA") or "transparency" in info.info,
        "loop": info.info.get("loop"),
        "times": durations(result),
        "profile": "icc_profile" in info.info,
        "turned": info.getexif().get(0x0112, 1) != 1,
        "gray": gray,
        "difference": round(difference, 2),
    }))


def durations(path):
    """How long each frame is shown; of a WebP from its chunks (RFC 9649 section 2.7.1.1), which Pillow does not tell."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:4] != b"RIFF":
        return [time for _, time in frames(Image.open(path))]
    times, at = [], 12
    while at + 8 <= len(data):
        size = struct.unpack("<I", data[at + 4 : at + 8])[0]
        if data[at : at + 4] == b"ANMF":
            times.append(int.from_bytes(data[at + 20 : at + 23], "little"))
        at += 8 + size + size % 2
    return times


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    for result, original in zip(sys.argv[2::2], sys.argv[3::2]):
        look(result, original)
