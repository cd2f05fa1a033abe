# Sourced by the scripts of the servers to compare with: has Debian's package of one, unpacked (not installed) into a folder that
# is kept for the next time, with the libraries that it wants and this machine lacks.
# shellcheck shell=sh

# package FOLDER PACKAGE...: fetches what is not there yet, and lets programs started from here on find the libraries.
package() {
    folder=$1
    shift
    if [ ! -e "$folder/complete" ]; then
        command -v apt-get >/dev/null || { echo "not on this machine, and no apt-get to fetch it with" >&2; exit 1; }
        mkdir -p "$folder"
        wanted=$* new=$*
        while [ -n "$new" ]; do
            # Several words.
            # shellcheck disable=SC2086
            new=$(apt-cache depends --important $new | sed -n 's/^[ |]*\(Pre\)\{0,1\}Depends: \(lib[^ <>]*\)$/\2/p' | sort -u |
                while read -r name; do
                    case " $wanted " in *" $name "*) continue ;; esac
                    case $(dpkg-query -W -f '${Status}' "$name" 2>/dev/null) in
                    *" installed") ;;
                    *) printf '%s ' "$name" ;;
                    esac
                done)
            wanted="$wanted $new"
        done
        # As Debian's user _apt could not write there.
        # shellcheck disable=SC2086
        (cd "$folder" && apt-get -q -o APT::Sandbox::User=root download $wanted >&2)
        for file in "$folder"/*.deb; do dpkg -x "$file" "$folder"; done
        touch "$folder/complete"
    fi
    LD_LIBRARY_PATH=$(find "$folder/usr/lib" "$folder/lib" -name '*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
    export LD_LIBRARY_PATH
}
