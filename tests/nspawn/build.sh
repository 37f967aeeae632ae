# shellcheck shell=bash disable=SC2154
# How the nspawn stage's system is built; sourced by its script (where $here and $bin are), which builds anew when this changes.

# What stock Raspberry Pi OS has of Debian's, as far as a unit meets it; ssh and avahi so that there is something to silence.
packages=systemd-sysv,dbus,udev,cloud-init,network-manager,netplan.io,systemd-timesyncd,openssh-server,avahi-daemon
packages=$packages,iproute2,fdisk,e2fsprogs,procps

build() { # into the folder $1
    local mirror python=$1/tree/usr/lib/python3/dist-packages
    mirror=$(mirror)
    mmdebstrap --quiet --variant=apt --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --include="$packages" trixie "$1/tree" "deb $mirror trixie main"
    # The pins' library has no wheel for this Python: Raspberry Pi OS brings its own, and here it is made from its source.
    mmdebstrap --quiet --variant=extract --include=libpython3.13-dev trixie "$1/headers" "deb $mirror trixie main"
    "$bin/pip" download --quiet --no-deps --no-build-isolation --no-binary :all: --require-hashes -r "$here/lgpio.txt" -d "$1"
    tar --extract --file "$1"/lgpio-*.tar.gz --directory "$1" && mv "$1"/lgpio-*/ "$1/lgpio"
    mkdir "$1/include" && ln -s "$1/headers/usr/include/$(uname -m)-linux-gnu" "$1/include/"
    (cd "$1/lgpio" && swig -python -o lgpio_wrap.c lgpio.i)
    gcc -shared -fPIC -O2 -pthread -w -I"$1/lgpio/src" -I"$1/headers/usr/include/python3.13" -I"$1/include" \
        -o "$python/_lgpio.cpython-313-$(uname -m)-linux-gnu.so" "$1"/lgpio/lgpio_wrap.c "$1"/lgpio/src/lg*.c "$1/lgpio/src/rgpiod.c"
    cp "$1/lgpio/lgpio.py" "$python/"
    mkdir -p "$1"/tree/opt/chip/tree/system "$1"/tree/{data,boot/firmware}
    gcc -O2 -fPIC -shared -o "$1/tree/opt/chip/chip.so" tests/hardware/chip.c -ldl -lpthread
    printf '\0\300\061\025' >"$1/tree/opt/chip/tree/system/linux,revision"
    cp -r "$here/stock/." "$1/tree/"
    : >"$1/tree/etc/machine-id"
    mke2fs -q -t ext4 -L rootfs -d "$1/tree" "$1/root.img" 1G
    rm -rf "$1/headers" "$1"/lgpio*
}
