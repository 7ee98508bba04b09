#!/bin/sh
# A machine of its own for one page: started in fresh mount, network and process namespaces, where what is written
# below these folders is forgotten at the end, and nothing is reached but itself.
#   machine.sh PROGRAM WHEELS SCRIPT HOST   (HOST: commands that prepare it)
set -eu
ip link set lo up
mount -t tmpfs tmpfs /mnt
mkdir /mnt/wheels
mount --bind "$2" /mnt/wheels
install -m 755 "$3" /mnt/script
install -m 755 "$1" /mnt/wsgi-cgi
for folder in etc var usr/local srv run root; do
    mkdir -p "/mnt/$folder/upper" "/mnt/$folder/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=/mnt/$folder/upper,workdir=/mnt/$folder/work" "/$folder"
done
mount -t tmpfs tmpfs /home
mount -t tmpfs tmpfs /tmp
chmod 1777 /tmp
install -m 755 /mnt/wsgi-cgi /usr/local/bin/wsgi-cgi
# What a page installs is there; a newer version, should there be one, cannot be reached.
echo 'APT::Get::Upgrade "false";' >/etc/apt/apt.conf.d/99-as-it-is
# The person who reads the page.
useradd --create-home --shell /bin/sh you
echo 'you ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/you
chmod 440 /etc/sudoers.d/you
cd /home/you
sh -c "$4"
exec setpriv --reuid=you --regid=you --init-groups \
    env -i HOME=/home/you USER=you LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin \
    PIP_NO_INDEX=1 PIP_FIND_LINKS=/mnt/wheels PIP_DISABLE_PIP_VERSION_CHECK=1 sh /mnt/script
