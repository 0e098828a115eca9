"""`make pictures`: writes docs/pictures/*.svg."""

import sys

from tests.pictures.scenes import FOLDER, pictures, transcript

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in pictures(transcript()).items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")
