//go:build realclients

package realclients

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"section.internal/e2e/proxydtest"
)

// The opcodes of RFC 6455 section 5.2.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// writeFrame writes a whole message in one frame; a client masks.
func writeFrame(w io.Writer, op byte, payload []byte, mask bool) error {
	head := []byte{0x80 | op, 0}
	switch n := len(payload); {
	case n < 126:
		head[1] = byte(n)
	case n < 1<<16:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(n))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(n))
	}
	if mask {
		key := [4]byte{1, 2, 3, 4}
		head[1] |= 0x80
		head = append(head, key[:]...)
		payload = bytes.Clone(payload)
		for i := range payload {
			payload[i] ^= key[i%4]
		}
	}
	_, err := w.Write(append(head, payload...))
	return err
}

func readFrame(r io.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	var key [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, key[:]); err != nil {
			return 0, nil, err
		}
	}
	if n > 16<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes", n)
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return head[0] & 0xf, payload, err
}

// echoServer gives every message back, pings first, and answers a close.
func echoServer(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" {
			http.Error(w, "want a WebSocket", http.StatusUpgradeRequired)
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			acceptKey(r.Header.Get("Sec-WebSocket-Key")))
		if err := writeFrame(conn, opPing, []byte("are you there"), false); err != nil {
			return
		}
		for {
			op, payload, err := readFrame(rw)
			if err != nil {
				return
			}
			if op == opPong {
				continue
			}
			if writeFrame(conn, op, payload, false) != nil || op == opClose {
				return
			}
		}
	})
}

func TestWebSocket_Echo(t *testing.T) {
	proxyd := bench.Start(t, proxydtest.Options{NextHop: proxydtest.Origin(t, echoServer(t)), Config: `
# A tunnel is no request: none of these may end it.
[client]
header_timeout = "1s"
`})
	conn, err := net.Dial("tcp", proxyd.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Minute))
	const key = "dGhlIHNhbXBsZSBub25jZQ=="
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n", key)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != acceptKey(key) {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	op, payload, err := readFrame(in)
	if err != nil || op != opPing || string(payload) != "are you there" {
		t.Fatalf("the first frame: %d %q %v", op, payload, err)
	}
	if err := writeFrame(conn, opPong, payload, true); err != nil {
		t.Fatal(err)
	}
	for i, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
		sent, kind := random(size), byte(opBinary)
		if i%2 == 0 {
			kind = opText
		}
		if err := writeFrame(conn, kind, sent, true); err != nil {
			t.Fatal(err)
		}
		if op, got, err := readFrame(in); err != nil || op != kind || !bytes.Equal(got, sent) {
			t.Fatalf("a message of %d bytes comes back as %d with %d bytes, %v", size, op, len(got), err)
		}
	}
	if err := writeFrame(conn, opClose, []byte{3, 232}, true); err != nil {
		t.Fatal(err)
	}
	if op, _, err := readFrame(in); err != nil || op != opClose {
		t.Errorf("the answer to close: %d, %v", op, err)
	}
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after close: %v, want the end", err)
	}
	conn.Close()
	proxyd.Settle()
	proxyd.Stop()
	if lines := proxyd.AccessLog(t); len(lines) != 1 || lines[0]["reason"] != "tunnel" || lines[0]["status"] != "101" {
		t.Errorf("the access log: %v", lines)
	}
}
