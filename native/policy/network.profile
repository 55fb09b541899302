# As standard, with sockets in a network namespace of its own; out of it lead only the connections that a task was granted,
# through the proxy. "destination" lines are the most that may be granted: * holds names and public addresses, never
# private, loopback or link-local ones, which need a line of their own (ADDRESS:PORT or ADDRESS/BITS:PORT).
files 1
network granted
destination *:*
pids 256
memory 2G
tmpfs 256M
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
syscalls network.syscalls
