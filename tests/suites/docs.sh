#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# users: root single
# timeout: 120
#
# docs - what --help, the manual pages and shell completion say is the same, and is what the
# program takes
set -u
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
bad() { n=$((n + 1)); echo "$2" | sed 's/^/# /'; echo "not ok $n - $1"; }
is() { if [ -z "$2" ]; then ok "$1"; else bad "$1" "$2"; fi; }

man=$BELLJAR_SRC/man
subcommands=$("$BELLJAR" --help | sed -n 's/^  \([a-z][a-z-]*\)  .*/\1/p')

help_options() { # of --help: one a line, short and long
	"$BELLJAR" "$1" --help | awk '/^  -/ {
		for (i = 1; i <= NF && $i ~ /^-/; i++) { sub(/,$/, "", $i); print $i } }' | sort -u
}
page_options() { # of a manual page: .It Fl b , -box Ar name
	awk '$1 == ".It" && $2 == "Fl" {
		for (i = 3; i <= NF && $i != "Ar" && $i != "Ns" && $i != "Op"; i++)
			if ($i != ",") print "-" $i }' "$1" | sort -u
}

[ -n "$subcommands" ] && ok "--help lists the subcommands" || bad "--help lists the subcommands" "none"
for sub in $subcommands; do
	page=$man/belljar-$sub.1
	if [ ! -f "$page" ]; then
		bad "there is a manual page for $sub" "$page is missing"
		continue
	fi
	is "each option of $sub --help is in its manual page" \
		"$(comm -23 <(help_options "$sub") <(page_options "$page"))"
	is "each option in the manual page of $sub is in --help" \
		"$(comm -13 <(help_options "$sub") <(page_options "$page"))"
	unknown=
	for option in $(help_options "$sub"); do
		# the program must know it: with nothing else on the line it may miss a value, never the option
		words=$("$BELLJAR" "$sub" "$option" 2>&1 </dev/null | head -c 2000)
		grep -qF "no option '$option'" <<<"$words" &&
			unknown="$unknown $option"
	done
	is "$sub takes each option that its --help names" "$unknown"
	grep -qF "belljar-$sub 1" "$man/belljar.1" && ok "belljar(1) leads to the page of $sub" ||
		bad "belljar(1) leads to the page of $sub" "no reference"
	"$BELLJAR" "$sub" --no-such-option >/dev/null 2>&1 </dev/null
	status=$?
	[ $status = 2 ] && ok "$sub refuses an option that does not exist with status 2" ||
		bad "$sub refuses an option that does not exist with status 2" "status $status"
done

# exit statuses: those of the enum, no more and no fewer
listed=$(sed -n '/^\.Sh EXIT STATUS/,/^\.Sh EXAMPLES/p' "$man/belljar.1" | sed -n 's/^\.It \([0-9]*\)$/\1/p' | sort -n)
defined=$(sed -n '/^enum exit_status/,/^}/s/.*EXIT_[A-Z_]* = \([0-9]*\),.*/\1/p' "$BELLJAR_SRC/src/base/base.h" | sort -n)
is "belljar(1) lists the exit statuses that the program has" "$(diff <(echo "$listed") <(echo "$defined"))"

# completion
where=$BELLJAR_BUILD/tools/completion
is "the bash completion is valid" "$(bash -n "$where/belljar" 2>&1)"
complete_bash() { # WORD…: what bash offers for the last one
	bash --norc -c '
		shopt -s extglob
		. /usr/share/bash-completion/bash_completion
		. "$1"; shift
		PATH=$(dirname "$BELLJAR"):$PATH
		COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
		_belljar
		printf "%s\n" "${COMPREPLY[@]}"' - "$where/belljar" "$@" 2>&1
}
if [ -f /usr/share/bash-completion/bash_completion ]; then
	[ "$(complete_bash belljar rol)" = rollback ] && ok "bash completes a subcommand" ||
		bad "bash completes a subcommand" "$(complete_bash belljar rol)"
	[ "$(complete_bash belljar run --dry)" = --dry-run ] && ok "bash completes an option" ||
		bad "bash completes an option" "$(complete_bash belljar run --dry)"
else
	echo "ok $((n += 1)) - bash completes a subcommand # SKIP no bash-completion here"
fi
for shell in zsh fish; do
	file=$where/belljar.fish
	[ $shell = fish ] || file=$where/_belljar
	missing=
	for sub in $subcommands; do
		grep -q "$sub" "$file" || missing="$missing $sub"
		for option in $(help_options "$sub"); do
			case $option in
			--*) what=${option#--} ;;
			*) what="-s ${option#-}|'$option\\[" ;;
			esac
			grep -qE -e "$what" "$file" || missing="$missing $sub:$option"
		done
	done
	is "the $shell completion has each subcommand and option" "$missing"
done
