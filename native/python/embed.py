"""Writes what wayang_python.so carries in itself as C: embed.py OUT RUNTIME.py SDK_FOLDER VERSION

VERSION is that of the headers (3.11). The search paths are asked of this interpreter, which must be of the same version.
"""

import pathlib
import site
import sys
import sysconfig

SDK = ("__init__", "_msgpack", "_loop")


def array(name, data):
    numbers = ",".join(str(byte) for byte in data)
    return f"static const unsigned char {name}[] = {{{numbers},0}};\n"


def main():
    out, runtime, folder, version = sys.argv[1:]
    if version != "%d.%d" % sys.version_info[:2]:
        sys.exit(f"libpython is {version}, {sys.executable} is {sys.version.split()[0]}: install matching packages")
    parts = [array("embedded_runtime", pathlib.Path(runtime).read_bytes())]
    rows = []
    for name in SDK:
        parts.append(array(f"embedded_{name}", (pathlib.Path(folder) / f"{name}.py").read_bytes()))
        module = "wayang" if name == "__init__" else f"wayang.{name}"
        rows.append(f'{{"{module}", (const char *)embedded_{name}}},')
    standard = sysconfig.get_path("stdlib")
    paths = [standard, f"{standard}/lib-dynload", *site.getsitepackages()]
    parts.append("static const struct {\n    const char *module, *code;\n} embedded_modules[] = {\n" + "\n".join(rows) + "\n};\n")
    parts.append("static const wchar_t *const embedded_paths[] = {" + ", ".join(f'L"{path}"' for path in paths) + "};\n")
    pathlib.Path(out).write_text("".join(parts))


main()
