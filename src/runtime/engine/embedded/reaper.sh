#!/bin/sh
# Ends what its parent (a supervisor, or who runs a command) leaves behind. It reads the parent's pipe: "+ pid" and "- pid"
# add and forget a process group. The pipe ends when the parent does, however it ended; then every group and every process
# whose environment carries the marker ($1, NAME=value) is killed. It runs in a session of its own, so nothing aimed at the
# parent hits it.
trap '' HUP INT TERM
marker=$1
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="${groups%%" $group "*} ${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -KILL -- "-$group" 2>/dev/null; done
# A process may have forked while the others were killed, so look until there is none.
rounds=0
while [ -d /proc/self ] && [ "$rounds" -lt 50 ]; do
  found=
  for file in $(grep -lsF -- "$marker" /proc/[0-9]*/environ 2>/dev/null); do
    pid=${file#/proc/}
    pid=${pid%/environ}
    kill -KILL "$pid" 2>/dev/null && found=1
  done
  [ -n "$found" ] || break
  rounds=$((rounds + 1))
done
