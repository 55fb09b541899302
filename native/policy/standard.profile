# Ordinary programs: files in their own root, processes, threads, pipes; no sockets.
files 1
own_network 0
pids 256
memory 2G
tmpfs 256M
# The most that a task may ask for; what it writes lies in its memory and counts there too.
disk 2G
file_size 1G
open_files 1024

path /usr
path? /bin
path? /sbin
path? /lib
path? /lib32
path? /lib64
path? /etc/ld.so.cache
path? /etc/alternatives
path? /etc/ssl/certs
path? /etc/python3
path? /etc/python3.11
path? /etc/mime.types
syscalls standard.syscalls
