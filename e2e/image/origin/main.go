// Command origin is the next hop of the image's tests. It answers every request with the bytes of the request's head exactly as
// they came, and with fields that tell who it is and how its connections are used. It reads and writes its sockets itself, so
// that no library comes between the proxy and what the tests see.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The slow response: its body comes a byte at a time.
const (
	slowBytes = 40
	slowPause = 50 * time.Millisecond
)

// origin counts what reaches it.
type origin struct {
	name        string
	connections atomic.Int64 // accepted on port 80 so far
	tls         atomic.Int64 // accepted on port 443 so far: the proxy must never try
}

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: origin NAME")
	}
	o := &origin{name: os.Args[1]}
	secure, err := net.Listen("tcp", ":443")
	if err != nil {
		log.Fatal(err)
	}
	go o.refuse(secure)
	plain, err := net.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := plain.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go o.serve(conn, o.connections.Add(1))
	}
}

func (o *origin) refuse(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		o.tls.Add(1)
		conn.Close()
	}
}

// serve answers the requests of one connection.
func (o *origin) serve(conn net.Conn, number int64) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for request := 1; ; request++ {
		head, err := readHead(in)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				log.Print(err)
			}
			return
		}
		body := head
		pause := time.Duration(0)
		if bytes.HasPrefix(head, []byte("GET /slow ")) {
			body, pause = bytes.Repeat([]byte("."), slowBytes), slowPause
		}
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nOrigin-Name: %s\r\nOrigin-Connection: %d\r\n"+
			"Origin-Connection-Request: %d\r\nOrigin-TLS-Attempts: %d\r\nContent-Length: %d\r\n\r\n",
			o.name, number, request, o.tls.Load(), len(body))
		if pause == 0 {
			_, err = conn.Write(body)
		}
		for i := 0; pause > 0 && i < len(body) && err == nil; i++ {
			time.Sleep(pause)
			_, err = conn.Write(body[i : i+1])
		}
		if err != nil {
			log.Print(err)
			return
		}
	}
}

// readHead returns the bytes of the next request's head and skips its body, whose length must be given by Content-Length.
func readHead(in *bufio.Reader) ([]byte, error) {
	var head []byte
	length := int64(0)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		head = append(head, line...)
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		if name, value, ok := strings.Cut(text, ":"); ok && textproto.CanonicalMIMEHeaderKey(name) == "Content-Length" {
			if length, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil {
				return nil, err
			}
		}
	}
	_, err := io.CopyN(io.Discard, in, length)
	return head, err
}
