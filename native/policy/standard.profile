# Ordinary programs: files in their own root, processes, threads, pipes; no sockets.
files 1
own_network 0
pids 256
memory 2G
tmpfs 256M
# The most that a task may ask for. On the disk where the runtime can make room there (limits.disk_directory); else it lies in the
# task's memory, counts there too, and is never more than that.
disk 64G
file_size 64G
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
