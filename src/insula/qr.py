"""QR codes (ISO/IEC 18004), as SVG to print."""

import io

import segno


def qr_code(text: str) -> str:
    """With the quiet zone of 4 modules that the standard asks for; a seventh of it may be dirty or torn (level M)."""
    out = io.BytesIO()
    segno.make_qr(text, error="m").save(out, kind="svg", scale=8, border=4, light="#fff", xmldecl=False)
    return out.getvalue().decode()
