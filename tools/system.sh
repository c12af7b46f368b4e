#!/bin/sh
# Install the Debian packages that a napari window needs. Never fails: without them only windows are missing.
packages="xvfb xauth libgl1 libgl1-mesa-dri libglx-mesa0 libegl1 libopengl0 libdbus-1-3 libfontconfig1 libfreetype6
libx11-xcb1 libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1"
python3 -c "import ensurepip, venv" >/dev/null 2>&1 || packages="$packages python3-venv"
[ "$(uname -s)" = Linux ] || exit 0
command -v dpkg-query >/dev/null 2>&1 || {
    command -v Xvfb >/dev/null 2>&1 || echo "atomscope: for a window without a display, install Xvfb, OpenGL (Mesa) and the xcb libraries of Qt 6."
    exit 0
}
missing=""
for p in $packages; do
    dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q "install ok installed" || missing="$missing $p"
done
[ -z "$missing" ] && exit 0
line="apt-get update && apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "atomscope: installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null && exit 0
    echo "atomscope: could not install them; going on with what works without."
else
    echo "atomscope: windows need more Debian packages. As root, run:"
fi
echo "    $line"
exit 0
