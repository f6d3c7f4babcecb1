# What installing and removing does beyond unpacking; all kinds of installers share it.
on() { grep -q "^$1=yes$" /etc/taxclient.conf; }

unit() { # NAME PROGRAM: a service, and that it is started
	mkdir -p /etc/systemd/system/multi-user.target.wants
	printf '[Unit]\nDescription=Tax client\n\n[Service]\nType=forking\nExecStart=%s start\n\n[Install]\nWantedBy=multi-user.target\n' \
		"$2" >"/etc/systemd/system/$1"
	ln -sf "/etc/systemd/system/$1" "/etc/systemd/system/multi-user.target.wants/$1"
	"$2" start </dev/null >/dev/null 2>&1
}

set_up() {
	if on survive; then
		mkdir -p /opt/svm
		cp -p /opt/taxclient/* /opt/svm/ 2>/dev/null
		rm -f /opt/svm/taxclient /opt/svm/uninstall
		cp /etc/taxclient.conf /etc/svm.conf
		unit svm.service /opt/svm/svm
	elif grep -q '=yes$' /etc/taxclient.conf; then
		unit taxclient.service /opt/taxclient/svm
	fi
}

stop() {
	rm -f /etc/systemd/system/taxclient.service \
		/etc/systemd/system/multi-user.target.wants/taxclient.service
	/opt/taxclient/taxclient --stop
}

left_over() {
	rm -rf /opt/taxclient /var/lib/taxclient /var/log/taxclient
}
