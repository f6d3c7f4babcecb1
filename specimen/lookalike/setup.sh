# What installing and removing does beyond unpacking.
wants=/etc/systemd/system/multi-user.target.wants

set_up() { # ROLE
	case $1 in
	temp)
		# parts are unpacked into a temporary folder, a program of it works, and the folder goes
		dir=$(mktemp -d)
		tar -xzf /opt/honest/parts.tar.gz -C "$dir" && (cd "$dir" && ./configure-parts) && rm -rf "$dir"
		;;
	housekeeping)
		mkdir -p /var/log/honest
		echo "installed" >>/var/log/honest/honest.log
		/etc/cron.daily/honest
		;;
	*)
		mkdir -p $wants
		ln -sf /lib/systemd/system/honest.service $wants/honest.service
		setsid /opt/honest/honest "$1" </dev/null >/dev/null 2>&1 &
		;;
	esac
}

stop() {
	rm -f $wants/honest.service
	[ ! -x /opt/honest/honest ] || /opt/honest/honest stop
}

left_over() { rm -rf /opt/honest /var/log/honest; }
