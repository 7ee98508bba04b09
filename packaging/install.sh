#!/bin/sh
# Installs wsgi-cgi from this folder: no root, no other program is needed.
set -eu
# The web server's user runs it.
umask 022

usage() {
    cat <<'END'
Usage: ./install.sh [PREFIX]               install into PREFIX (~/.local)
       ./install.sh --uninstall [PREFIX]   remove what was installed there

The executable goes to PREFIX/bin; man pages, completions, documents and examples to PREFIX/share.
END
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

action=install
case ${1-} in
-h | --help)
    usage
    exit
    ;;
--uninstall)
    action=uninstall
    shift
    ;;
-*)
    usage >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
    usage >&2
    exit 2
fi
case ${1-} in
'')
    [ -n "${HOME-}" ] || fail "HOME is not set: name a PREFIX"
    prefix=$HOME/.local
    ;;
/*) prefix=$1 ;;
*) prefix=$PWD/$1 ;;
esac
# Every file that was installed, one on a line.
list=$prefix/share/doc/wsgi-cgi/installed-files

if [ $action = uninstall ]; then
    [ -f "$list" ] || fail "nothing of wsgi-cgi is installed in $prefix"
    [ -w "$prefix/bin" ] || fail "$prefix/bin: no permission to write"
    while IFS= read -r file; do
        rm -f "$prefix/$file"
    done <"$list"
    rm -f "$list"
    # Folders that are empty now and were for wsgi-cgi alone.
    find "$prefix/share/doc/wsgi-cgi" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    echo "removed from $prefix"
    exit
fi

cd "$(dirname "$0")"
[ "$(uname -s)" = Linux ] || fail "this is for Linux; this machine has $(uname -s)"
made_for=@MACHINE@
[ "$(uname -m)" = "$made_for" ] || fail "this is for $made_for; this machine is $(uname -m)"
mkdir -p "$prefix/bin" "$prefix/share" 2>/dev/null || fail "$prefix: no permission to write"
for folder in "$prefix/bin" "$prefix/share"; do
    [ -w "$folder" ] || fail "$folder: no permission to write"
done

find bin share -type f | while IFS= read -r file; do
    mkdir -p "$prefix/${file%/*}"
    # Replaced, not overwritten: the one that is there may be running.
    cp "$file" "$prefix/$file.new"
    mv -f "$prefix/$file.new" "$prefix/$file"
done
find bin share -type f >"$list"

"$prefix/bin/wsgi-cgi" --version || fail "$prefix/bin/wsgi-cgi does not run: is $prefix mounted noexec?"
echo "installed in $prefix; ./install.sh --uninstall $prefix removes it"
case :$PATH: in
*:"$prefix/bin":*) ;;
*)
    echo "$prefix/bin is not in PATH. For a shell, add to ~/.profile:"
    echo "  PATH=\"$prefix/bin:\$PATH\""
    ;;
esac
