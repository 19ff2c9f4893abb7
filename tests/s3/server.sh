# shellcheck shell=bash disable=SC2154
# Sourced by ceph.sh and swift.sh: how they are called, and how their processes end. They have start(), stop_all() and ours(), which
# says whether a process belongs to $dir, and `made`, a file that is there when something was started.

say() {
	echo "${0##*/}: $*" >&2
}

end() { # end PID: if it is ours; it keeps nothing that could be lost
	! ours "$1" || kill -KILL "$1"
	while ours "$1"; do sleep 0.05; done
}

stop() {
	[ -e "$dir/$made" ] || { say "$dir holds none"; exit 2; }
	stop_all
	rm -rf --one-file-system "$dir"
}

main() { # main start|stop DIR
	case "${1:-}:${2:-}" in
	start:?* | stop:?*)
		dir=$(realpath -m "$2")
		"$1"
		;;
	*)
		echo "usage: ${0##*/} start|stop DIR" >&2
		exit 2
		;;
	esac
}
