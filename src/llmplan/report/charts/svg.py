"""The last hand on an SVG: a title and a description for those who cannot see it, nothing that points elsewhere."""

from __future__ import annotations

from xml.etree import ElementTree

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
TITLE_ID, DESCRIPTION_ID = "chart-title", "chart-description"


def finished(drawn: bytes, *, title: str, description: str) -> bytes:
    """The drawing without its document type and metadata, which name other places, and with its words."""
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(drawn)
    for child in [*root.findall(f"{{{SVG}}}metadata"), *root.findall(f"{{{SVG}}}title")]:
        root.remove(child)
    root.set("role", "img")
    root.set("aria-labelledby", f"{TITLE_ID} {DESCRIPTION_ID}")
    for position, (tag, name, text) in enumerate(
        (("title", TITLE_ID, title), ("desc", DESCRIPTION_ID, description))
    ):  # fmt: skip
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": name})
        element.text, element.tail = text, "\n "
        root.insert(position, element)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"
