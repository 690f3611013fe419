package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of the data path. None of them waits, so Go's scheduler is not told of them (RawSyscall): that is a fifth of the
// cost of a call that does little. They return -1 with an error, or a number of bytes; they are repeated when a signal interrupted
// them.

func receive(fd int, p []byte, flags int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			uintptr(flags), 0, 0)
		if n, err, again := result(n, errno); !again {
			return n, err
		}
	}
}

func transmit(fd int, p []byte, flags int) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
			uintptr(syscall.MSG_NOSIGNAL|flags), 0, 0)
		if n, err, again := result(n, errno); !again {
			return n, err
		}
	}
}

func transmitBoth(fd int, a, b []byte) (int, error) {
	vec := [2]syscall.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
	vec[0].SetLen(len(a))
	vec[1].SetLen(len(b))
	msg := syscall.Msghdr{Iov: &vec[0], Iovlen: uint64(len(vec))}
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), syscall.MSG_NOSIGNAL)
		if n, err, again := result(n, errno); !again {
			return n, err
		}
	}
}

// epollReady returns how many events are there already, without waiting; -1 when it fails.
func epollReady(fd int, events []syscall.EpollEvent) int {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(events))),
			uintptr(len(events)), 0, 0, 0)
		if n, _, again := result(n, errno); !again {
			return n
		}
	}
}

func result(n uintptr, errno syscall.Errno) (int, error, bool) {
	switch errno {
	case 0:
		return int(n), nil, false
	case syscall.EINTR:
		return -1, nil, true
	}
	return -1, errno, false
}

// splice moves up to n bytes between a pipe and a socket. It may take long: the scheduler is told.
func splice(from, to, n int) (int, error) {
	for {
		moved, err := unix.Splice(from, nil, to, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		if err != syscall.EINTR {
			return max(int(moved), 0), err
		}
	}
}
