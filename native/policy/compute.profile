# Pure computation: no files, no descriptors but the channel's, no threads. Migratable: the filter is the proof.
files 0
own_network 0
pids 1
memory 1G
tmpfs 64M
file_size 0
open_files 16

# Shown to the zygote only, read-only, for the shared libraries that an image needs while it is loaded; workers stand in
# an empty root.
path /usr
path? /bin
path? /sbin
path? /lib
path? /lib32
path? /lib64
path? /etc/ld.so.cache
path? /etc/alternatives
syscalls compute.syscalls
