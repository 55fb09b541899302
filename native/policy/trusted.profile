# Still sandboxed, but in the network of the host itself: it reaches whatever this machine reaches. Refused unless policy.conf
# says host_network 1.
files 1
network host
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
