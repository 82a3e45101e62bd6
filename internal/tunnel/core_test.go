package tunnel_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wstunneld/wstunneld/internal/tunnel"
	"github.com/wstunneld/wstunneld/internal/ws"
	"github.com/wstunneld/wstunneld/internal/wstest"
)

// An event is a step of a row.
type event func(*machine)

// client is a read from the client.
func client(frames ...[]byte) event {
	return func(m *machine) { m.fromClient(wstest.Join(frames...)) }
}

// bytewise is client with every byte in a read of its own.
func bytewise(frames ...[]byte) event {
	return func(m *machine) {
		for _, b := range wstest.Join(frames...) {
			m.fromClient([]byte{b})
		}
	}
}

// backend is one read from the backend for each piece.
func backend(pieces ...string) event {
	return func(m *machine) {
		for _, p := range pieces {
			m.fromBackend([]byte(p))
		}
	}
}

func wait(d time.Duration) event { return func(m *machine) { m.wait(d) } }

// every lets n times d pass, with an event at the end of each.
func every(d time.Duration, n int, e event) event {
	return func(m *machine) {
		for range n {
			m.wait(d)
			e(m)
		}
	}
}

func stop(grace time.Duration) event {
	return func(m *machine) { m.core.Stop(grace, m.now); m.settle() }
}

var (
	clientEOF     event = func(m *machine) { m.core.ClientEOF(m.now); m.settle() }
	clientFails   event = func(m *machine) { m.core.ClientFailed(errBroken, false, m.now); m.settle() }
	clientStalls  event = func(m *machine) { m.client.stalled = true }
	clientReads   event = func(m *machine) { m.client.stalled = false; m.settle() }
	clientBreaks  event = func(m *machine) { m.client.stalled = false; m.client.err = errBroken; m.settle() }
	backendEOF    event = func(m *machine) { m.core.BackendEOF(m.now); m.settle() }
	backendFails  event = func(m *machine) { m.core.BackendFailed(errBroken, m.now); m.settle() }
	backendStalls event = func(m *machine) { m.backend.stalled = true }
	backendReads  event = func(m *machine) { m.backend.stalled = false; m.settle() }
	backendBreaks event = func(m *machine) { m.backend.stalled = false; m.backend.err = errBroken; m.settle() }
)

var errBroken = errors.New("broken")

// A row says what the peers see when the events happen, and what the tunnel's
// result is afterwards. Err stands for the Err of a Result.
type row struct {
	name   string
	cfg    tunnel.Config
	events []event
	want   string // the machine's log
	res    tunnel.Result
	err    string
}

func run(t *testing.T, rows []row) {
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t, &tt.cfg)
			for _, e := range tt.events {
				e(m)
			}
			if got, want := m.String(), unindent(tt.want); got != want {
				t.Errorf("the peers saw\n\t%s\nwant\n\t%s", indent(got), indent(want))
			}
			res, err := m.core.Result(), ""
			if res.Err != nil {
				err = res.Err.Error()
			}
			res.Err = nil
			if res != tt.res || err != tt.err {
				t.Errorf("result %+v, %q\nwant   %+v, %q", res, err, tt.res, tt.err)
			}
		})
	}
}

func unindent(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func indent(s string) string { return strings.ReplaceAll(s, "\n", "\n\t") }

func TestData(t *testing.T) {
	run(t, []row{
		{
			name:   "frames become bytes, reads become frames",
			events: []event{client(wstest.Text("ab"), wstest.Binary("cd")), backend("x", "yz")},
			want: `backend "abcd"
				client binary "x"
				client binary "yz"`,
			res: tunnel.Result{Received: 16, Sent: 7, ToBackend: 4, FromBackend: 3},
		},
		{
			name:   "byte by byte",
			events: []event{bytewise(wstest.Binary("ab"), wstest.Ping("p"))},
			want: `backend "a"
				backend "b"
				client pong "p"`,
			res: tunnel.Result{Received: 15, Sent: 3, ToBackend: 2},
		},
		{
			name: "fragments with a ping between",
			events: []event{client(
				wstest.Masked(false, ws.OpText, "a"), wstest.Ping("p"), wstest.Masked(true, ws.OpContinuation, "b"))},
			want: `backend "ab"
				client pong "p"`,
			res: tunnel.Result{Received: 21, Sent: 3, ToBackend: 2},
		},
		{
			name:   "empty frames and pongs give nothing",
			events: []event{client(wstest.Binary(""), wstest.Pong("ping"), wstest.Binary("a"), wstest.Binary(""), wstest.Text("b"))},
			want:   `backend "ab"`,
			res:    tunnel.Result{Received: 6 + 10 + 7 + 6 + 7, ToBackend: 2},
		},
		{
			name:   "text frames for the client",
			cfg:    tunnel.Config{Text: true},
			events: []event{backend("ä")},
			want:   `client text "ä"`,
			res:    tunnel.Result{Sent: 4, FromBackend: 2},
		},
		{
			name:   "characters split over reads",
			cfg:    tunnel.Config{Text: true},
			events: []event{backend("a\xe2", "\x82", "\xacb\xf0\x9f", "\x98\x80\xc3", "\xa4")},
			want: `client text "a"
				client text "€b"
				client text "😀"
				client text "ä"`,
			res: tunnel.Result{Sent: 3 + 6 + 6 + 4, FromBackend: 11},
		},
		{
			name:   "lengths on the wire",
			events: []event{backend(strings.Repeat("x", 125)), backend(strings.Repeat("x", 126))},
			want:   fmt.Sprintf("client binary %q\nclient binary %q", strings.Repeat("x", 125), strings.Repeat("x", 126)),
			res:    tunnel.Result{Sent: 2 + 125 + 4 + 126, FromBackend: 251},
		},
	})
}

// closeReply is what happens when the client has sent a close frame with that
// payload: it gets want back.
func closeReply(name, payload, want string, cause tunnel.Cause, sent, received ws.CloseCode, errText string) row {
	frame := wstest.Masked(true, ws.OpClose, payload)
	_, reason, _ := strings.Cut(want, " ")
	n := int64(2 + len(strings.Trim(reason, `"`)))
	if sent != ws.CloseNoStatus {
		n += 2
	}
	return row{
		name:   name,
		events: []event{client(wstest.Binary("data"), frame), clientEOF, backendEOF},
		want: `backend "data"
			client close ` + want + `
			backend shut
			client shut
			done`,
		res: tunnel.Result{Cause: cause, CloseSent: sent, CloseReceived: received, Received: 10 + int64(len(frame)), Sent: n, ToBackend: 4},
		err: errText,
	}
}

func TestClientClose(t *testing.T) {
	code := func(c ws.CloseCode, reason string) string { return string([]byte{byte(c >> 8), byte(c)}) + reason }
	ok := func(name string, c ws.CloseCode, reason string) row {
		return closeReply(name, code(c, reason), fmt.Sprintf(`%d ""`, c), tunnel.CauseClientClose, c, c, "")
	}
	bad := func(name string, c ws.CloseCode) row {
		return closeReply(name, code(c, ""), `1002 "invalid close code"`, tunnel.CauseProtocolError, 1002, 0, "close code 1002: invalid close code")
	}
	run(t, []row{
		closeReply("without a code", "", `1005 ""`, tunnel.CauseClientClose, 1005, 1005, ""),
		ok("1000", 1000, ""),
		ok("1001", 1001, ""),
		ok("1011 with a reason", 1011, "oops"),
		ok("3000", 3000, ""),
		ok("4000 with a reason", 4000, "tschüß"),
		ok("4999", 4999, ""),
		bad("999", 999),
		bad("1004", 1004),
		bad("1005", 1005),
		bad("1006", 1006),
		bad("1015", 1015),
		bad("2999", 2999),
		bad("5000", 5000),
		closeReply("one byte", "\x03", `1002 "close payload of one byte"`, tunnel.CauseProtocolError, 1002, 0, "close code 1002: close payload of one byte"),
		closeReply("reason that is not UTF-8", code(1000, "\xff"), `1007 "close reason is not UTF-8"`, tunnel.CauseProtocolError, 1007, 0, "close code 1007: close reason is not UTF-8"),
		{
			name:   "what follows a close frame is discarded",
			events: []event{client(wstest.Binary("a"), wstest.Close(1000, ""), wstest.Binary("b"), wstest.Ping("p")), client(wstest.Binary("c"), wstest.Close(1001, "")), client([]byte{0xff})},
			want: `backend "a"
				client close 1000 ""
				backend shut
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 7 + 8 + 7 + 7 + 7 + 8 + 1, Sent: 4, ToBackend: 1},
		},
		{
			name:   "pings before the close frame are answered",
			events: []event{client(wstest.Ping("1"), wstest.Ping("2"), wstest.Close(1000, ""))},
			want: `client pong "1"
				client pong "2"
				client close 1000 ""
				backend shut
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 7 + 7 + 8, Sent: 3 + 3 + 4},
		},
		{
			name:   "what the backend still sends is discarded",
			events: []event{client(wstest.Close(1000, "")), backend("late", "later"), clientEOF, backendEOF},
			want: `client close 1000 ""
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 8, Sent: 4, FromBackend: 9},
		},
		{
			name:   "a reset after the close frames changes nothing",
			events: []event{client(wstest.Close(1000, "")), clientFails, backendFails},
			want: `client close 1000 ""
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 8, Sent: 4},
		},
		{
			name:   "the close frame waits for the frame under way, the backend's data for nothing",
			events: []event{clientStalls, backend("x"), client(wstest.Binary("a"), wstest.Close(1000, "")), clientReads},
			want: `backend "a"
				backend shut
				client binary "x"
				client close 1000 ""
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 15, Sent: 3 + 4, ToBackend: 1, FromBackend: 1},
		},
		{
			name:   "the half-close waits for the payload under way, the close frame does not",
			events: []event{backendStalls, client(wstest.Binary("a"), wstest.Close(1000, "")), backendReads},
			want: `client close 1000 ""
				client shut
				backend "a"
				backend shut`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 15, Sent: 4, ToBackend: 1},
		},
	})
}

func TestViolation(t *testing.T) {
	// Each frame comes behind data in the same read; the backend gets the data.
	violation := func(name string, frame []byte, code ws.CloseCode, reason string) row {
		return row{
			name:   name,
			events: []event{client(wstest.Binary("data"), frame, wstest.Binary("ignored")), clientEOF, backendEOF},
			want: fmt.Sprintf(`backend "data"
				client close %d %q
				backend shut
				client shut
				done`, code, reason),
			res: tunnel.Result{Cause: tunnel.CauseProtocolError, CloseSent: code, Received: 10 + int64(len(frame)) + 13, Sent: 4 + int64(len(reason)), ToBackend: 4},
			err: fmt.Sprintf("close code %d: %s", code, reason),
		}
	}
	run(t, []row{
		violation("unmasked", wstest.Encode(ws.Header{Fin: true, Opcode: ws.OpBinary}, "x"), 1002, "unmasked frame from a client"),
		violation("bare unmasked close", []byte{0x88, 0}, 1002, "unmasked frame from a client"),
		violation("RSV1", wstest.Encode(ws.Header{Fin: true, RSV: 4, Opcode: ws.OpText, Masked: true}, "x"), 1002, "reserved bits set"),
		violation("opcode 3", wstest.Masked(true, 3, "x"), 1002, "reserved opcode"),
		violation("opcode 15", wstest.Masked(true, 15, "x"), 1002, "reserved opcode"),
		violation("ping without FIN", wstest.Masked(false, ws.OpPing, "x"), 1002, "fragmented control frame"),
		violation("ping of 126 bytes", wstest.Ping(strings.Repeat("x", 126)), 1002, "control frame over 125 bytes"),
		violation("continuation of nothing", wstest.Masked(true, ws.OpContinuation, "x"), 1002, "continuation without a message"),
		violation("64-bit length with its top bit", []byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1002, "64-bit length with its top bit set"),
		{
			name:   "a message inside of another one",
			events: []event{client(wstest.Masked(false, ws.OpBinary, "a"), wstest.Binary("b"))},
			want: `backend "a"
				client close 1002 "new message inside a fragmented one"
				backend shut
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseProtocolError, CloseSent: 1002, Received: 14, Sent: 4 + 35, ToBackend: 1},
			err: "close code 1002: new message inside a fragmented one",
		},
		{
			name:   "text that stops being UTF-8",
			events: []event{client(wstest.Text("good\xff bad"))},
			want: `backend "good"
				client close 1007 "text message is not UTF-8"
				backend shut
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseProtocolError, CloseSent: 1007, Received: 15, Sent: 4 + 25, ToBackend: 4},
			err: "close code 1007: text message is not UTF-8",
		},
	})
}

func TestMaxClientBytes(t *testing.T) {
	const reason = "more than server.max-request-size"
	tooBig := func(received, toBackend int64) tunnel.Result {
		return tunnel.Result{Cause: tunnel.CauseTooBig, CloseSent: 1009, Received: received, Sent: 4 + int64(len(reason)), ToBackend: toBackend}
	}
	run(t, []row{
		{
			name:   "up to the limit",
			cfg:    tunnel.Config{MaxClientBytes: 20},
			events: []event{client(wstest.Binary("abcd"), wstest.Binary("efgh"))},
			want:   `backend "abcdefgh"`,
			res:    tunnel.Result{Received: 20, ToBackend: 8},
		},
		{
			name:   "within a payload",
			cfg:    tunnel.Config{MaxClientBytes: 17},
			events: []event{client(wstest.Binary("abcd"), wstest.Binary("efgh")), client(wstest.Binary("x"))},
			want: `backend "abcde"
				client close 1009 "` + reason + `"
				backend shut
				client shut`,
			res: tooBig(27, 5),
		},
		{
			name:   "within a header, in a later read",
			cfg:    tunnel.Config{MaxClientBytes: 12},
			events: []event{client(wstest.Binary("abcd")), client(wstest.Binary("efgh"))},
			want: `backend "abcd"
				client close 1009 "` + reason + `"
				backend shut
				client shut`,
			res: tooBig(20, 4),
		},
		{
			name:   "pings count",
			cfg:    tunnel.Config{MaxClientBytes: 12},
			events: []event{client(wstest.Ping("")), client(wstest.Ping("")), client(wstest.Ping(""))},
			want: `client pong ""
				client pong ""
				client close 1009 "` + reason + `"
				backend shut
				client shut`,
			res: func() tunnel.Result { r := tooBig(18, 0); r.Sent += 4; return r }(),
		},
		{
			name:   "a close frame within the limit counts, whatever follows",
			cfg:    tunnel.Config{MaxClientBytes: 20},
			events: []event{client(wstest.Binary("abcd"), wstest.Close(1000, ""), wstest.Binary("efgh"))},
			want: `backend "abcd"
				client close 1000 ""
				backend shut
				client shut`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 28, Sent: 4, ToBackend: 4},
		},
	})
}

func TestBackendEnd(t *testing.T) {
	run(t, []row{
		{
			name:   "end of file",
			events: []event{backend("last"), backendEOF, client(wstest.Close(1001, "")), clientEOF},
			want: `client binary "last"
				client close 1001 ""
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, CloseReceived: 1001, Received: 8, Sent: 6 + 4, FromBackend: 4},
		},
		{
			name:   "behind data that waits",
			events: []event{clientStalls, backend("last"), backendEOF, clientReads},
			want: `client binary "last"
				client close 1001 ""`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Sent: 6 + 4, FromBackend: 4},
		},
		{
			name:   "half-close: the client's data still arrives, its own code is not echoed",
			events: []event{backendEOF, client(wstest.Binary("more")), client(wstest.Binary(" data"), wstest.Close(4000, "")), clientEOF},
			want: `client close 1001 ""
				backend "more"
				backend " data"
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, CloseReceived: 4000, Received: 10 + 11 + 8, Sent: 4, ToBackend: 9},
		},
		{
			name:   "pings are not answered behind the close frame",
			events: []event{backendEOF, client(wstest.Ping("p"))},
			want:   `client close 1001 ""`,
			res:    tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Received: 7, Sent: 4},
		},
		{
			name:   "a client that ends without a close frame",
			events: []event{backendEOF, clientEOF},
			want: `client close 1001 ""
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Sent: 4},
		},
		{
			name:   "reset",
			events: []event{backend("last"), backendFails, client(wstest.Binary("lost"), wstest.Close(1011, "")), clientEOF},
			want: `client binary "last"
				client close 1011 "the backend connection failed"
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, CloseReceived: 1011, Received: 18, Sent: 6 + 4 + 29, FromBackend: 4},
			err: "broken",
		},
		{
			name:   "a write fails, the last words come",
			events: []event{backendBreaks, client(wstest.Binary("lost")), client(wstest.Binary("lost")), backend("last words"), backendEOF, client(wstest.Close(1011, "")), clientEOF},
			want: `client binary "last words"
				client close 1011 "writing to the backend failed"
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, CloseReceived: 1011, Received: 28, Sent: 12 + 4 + 29, FromBackend: 10},
			err: "broken",
		},
		{
			name:   "a write fails, then a read",
			events: []event{backendBreaks, client(wstest.Binary("lost")), backendFails},
			want:   `client close 1011 "the backend connection failed"`,
			res:    tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Received: 10, Sent: 4 + 29},
			err:    "broken",
		},
		{
			name:   "a write fails, then silence",
			events: []event{backendBreaks, client(wstest.Binary("lost")), every(time.Second, 9, client(wstest.Binary("more")))},
			want:   `5s client close 1011 "writing to the backend failed"`,
			res:    tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Received: 100, Sent: 4 + 29},
			err:    "broken",
		},
		{
			name:   "a write fails, then words without end",
			events: []event{backendBreaks, client(wstest.Binary("lost")), every(2*time.Second, 4, backend("x"))},
			want: `2s client binary "x"
				4s client binary "x"
				5s client close 1011 "writing to the backend failed"`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Received: 10, Sent: 3 + 3 + 4 + 29, FromBackend: 4},
			err: "broken",
		},
	})
}

func TestTextBackend(t *testing.T) {
	const invalid = "the backend sent text that is not UTF-8"
	const cut = "the backend ended inside of a character"
	notUTF8 := func(sent, fromBackend int64) tunnel.Result {
		return tunnel.Result{Cause: tunnel.CauseNotUTF8, CloseSent: 1007, Sent: sent, FromBackend: fromBackend}
	}
	rows := []row{
		{
			name:   "invalid in the middle",
			events: []event{backend("good\xff bad", "more")},
			want: `client text "good"
				client close 1007 "` + invalid + `"`,
			res: notUTF8(6+4+int64(len(invalid)), 13),
		},
		{
			name:   "invalid at once",
			events: []event{backend("\x80")},
			want:   `client close 1007 "` + invalid + `"`,
			res:    notUTF8(4+int64(len(invalid)), 1),
		},
		{
			name:   "a character that the next read does not complete",
			events: []event{backend("a\xe2\x82", "b")},
			want: `client text "a"
				client close 1007 "` + invalid + `"`,
			res: notUTF8(3+4+int64(len(invalid)), 4),
		},
		{
			name:   "a character cut by the end of file",
			events: []event{backend("a\xe2\x82"), backendEOF},
			want: `client text "a"
				client close 1007 "` + cut + `"`,
			res: notUTF8(3+4+int64(len(cut)), 3),
		},
		{
			name:   "a character cut by a reset",
			events: []event{backend("a\xe2\x82"), backendFails},
			want: `client text "a"
				client close 1011 "the backend connection failed"`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Sent: 3 + 4 + 29, FromBackend: 3},
			err: "broken",
		},
		{
			name:   "a character cut by a reset that a write is told of",
			events: []event{backend("a\xe2\x82"), backendBreaks, client(wstest.Binary("lost")), backendEOF},
			want: `client text "a"
				client close 1011 "writing to the backend failed"`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Received: 10, Sent: 3 + 4 + 29, FromBackend: 3},
			err: "broken",
		},
		{
			name:   "whole characters up to the end of file",
			events: []event{backend("a\xe2\x82", "\xac"), backendEOF},
			want: `client text "a"
				client text "€"
				client close 1001 ""`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Sent: 3 + 5 + 4, FromBackend: 4},
		},
	}
	for i := range rows {
		rows[i].cfg.Text = true
	}
	run(t, rows)
}

func TestClientEnd(t *testing.T) {
	run(t, []row{
		{
			name:   "half-close: the backend can still answer",
			events: []event{client(wstest.Binary("question")), clientEOF, backend("answer"), wait(time.Hour), backend("late"), backendEOF},
			want: `backend "question"
				backend shut
				client binary "answer"
				1h0m0s client binary "late"
				1h0m0s client close 1001 ""
				1h0m0s client shut
				1h0m0s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientEOF, CloseSent: 1001, Received: 14, Sent: 8 + 6 + 4, ToBackend: 8, FromBackend: 10},
		},
		{
			name:   "half-close within a frame",
			events: []event{client(wstest.Binary("abcd")[:8]), clientEOF},
			want: `backend "ab"
				backend shut`,
			res: tunnel.Result{Received: 8, ToBackend: 2},
		},
		{
			name:   "half-close waits for the payload under way",
			events: []event{backendStalls, client(wstest.Binary("abcd")), clientEOF, backendReads},
			want: `backend "abcd"
				backend shut`,
			res: tunnel.Result{Received: 10, ToBackend: 4},
		},
		{
			name:   "half-close, then a backend that fails",
			events: []event{clientEOF, backendFails},
			want: `backend shut
				client close 1011 "the backend connection failed"
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendError, CloseSent: 1011, Sent: 4 + 29},
			err: "broken",
		},
		{
			name:   "reset",
			events: []event{client(wstest.Binary("data")), clientFails, backend("for nobody"), backendEOF},
			want: `backend "data"
				backend shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientError, Received: 10, ToBackend: 4, FromBackend: 10},
			err: "broken",
		},
		{
			name:   "reset, and the payload under way still arrives",
			events: []event{backendStalls, client(wstest.Binary("data")), clientFails, wait(10 * time.Second), backendReads, backendEOF},
			want: `10s backend "data"
				10s backend shut
				10s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientError, Received: 10, ToBackend: 4},
			err: "broken",
		},
		{
			name:   "a write fails: what the client had sent still arrives",
			events: []event{clientBreaks, backend("lost"), client(wstest.Binary("data"), wstest.Ping("p")), clientEOF, backendEOF},
			want: `backend "data"
				backend shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientError, Received: 17, ToBackend: 4, FromBackend: 4},
			err: "broken",
		},
		{
			name:   "the write of the close frame fails",
			events: []event{clientStalls, client(wstest.Close(1000, "")), clientBreaks, clientEOF, backendEOF},
			want: `backend shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseReceived: 1000, Received: 8},
		},
	})
}

func TestStop(t *testing.T) {
	stopped := func(received ws.CloseCode) tunnel.Result {
		return tunnel.Result{Cause: tunnel.CauseStop, CloseSent: 1001, CloseReceived: received, Sent: 4 + 11}
	}
	run(t, []row{
		{
			name:   "answered",
			events: []event{stop(time.Minute), client(wstest.Binary("data"), wstest.Close(1001, "")), clientEOF, backend("late"), backendEOF},
			want: `client close 1001 "server stop"
				backend "data"
				backend shut
				client shut
				done`,
			res: func() tunnel.Result {
				r := stopped(1001)
				r.Received, r.ToBackend, r.FromBackend = 18, 4, 4
				return r
			}(),
		},
		{
			name:   "not answered",
			events: []event{stop(time.Minute), wait(time.Hour)},
			want: `client close 1001 "server stop"
				5s done`,
			res: stopped(0),
		},
		{
			name:   "not answered within a short grace",
			events: []event{stop(time.Second), wait(time.Hour)},
			want: `client close 1001 "server stop"
				1s done`,
			res: stopped(0),
		},
		{
			name:   "a client that does not read",
			events: []event{clientStalls, backend("x"), stop(10 * time.Second), wait(time.Hour)},
			want:   `10s done`,
			res:    tunnel.Result{Cause: tunnel.CauseStop, FromBackend: 1},
		},
		{
			name:   "a backend that does not read",
			events: []event{backendStalls, client(wstest.Binary("x"), wstest.Close(1000, "")), stop(10 * time.Second), wait(time.Hour)},
			want: `client close 1000 ""
				client shut
				10s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 15, Sent: 4},
		},
		{
			name:   "while the client's close frame is being answered",
			events: []event{client(wstest.Close(4000, "")), stop(10 * time.Second), clientEOF, backendEOF},
			want: `client close 4000 ""
				backend shut
				client shut
				done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 4000, CloseReceived: 4000, Received: 8, Sent: 4},
		},
		{
			name:   "the backend's half-close waits for the client",
			events: []event{stop(10 * time.Second), backendEOF, wait(2 * time.Second), client(wstest.Close(1001, "")), clientEOF},
			want: `client close 1001 "server stop"
				2s backend shut
				2s client shut
				2s done`,
			res: func() tunnel.Result { r := stopped(1001); r.Received = 8; return r }(),
		},
	})
}

func TestPongs(t *testing.T) {
	pings := func(n, size int) (frames [][]byte) {
		for i := range n {
			frames = append(frames, wstest.Ping(fmt.Sprintf("%0*d", size, i)))
		}
		return frames
	}
	for _, size := range []int{6, 50, 125} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			m := newMachine(t, &tunnel.Config{})
			clientStalls(m)
			client(wstest.Ping("first"))(m) // under way
			const n = 10000
			client(pings(n, size)...)(m)
			b := m.core.TakeControl(nil)
			if len(b) > 1024 {
				t.Errorf("%d pings of %d bytes leave %d bytes to write, want at most 1024", n, size, len(b))
			}
			var last string
			for d := (ws.Decoder{FromServer: true}); len(b) > 0; {
				p, rest, err := d.Next(b)
				if err != nil || p.Opcode != ws.OpPong || string(p.Payload) < last {
					t.Fatalf("%v %q behind %q, %v", p.Opcode, p.Payload, last, err)
				}
				last, b = string(p.Payload), rest
			}
			if want := fmt.Sprintf("%0*d", size, n-1); last != want {
				t.Errorf("the last pong has %q, want %q", last, want)
			}
		})
	}
}

func TestPing(t *testing.T) {
	cfg := tunnel.Config{PingInterval: 3 * time.Second}
	run(t, []row{
		{
			name:   "every 3 seconds",
			cfg:    cfg,
			events: []event{wait(10 * time.Second)},
			want: `3s client ping "ping"
				6s client ping "ping"
				9s client ping "ping"`,
			res: tunnel.Result{Sent: 18},
		},
		{
			name:   "whatever else happens",
			cfg:    cfg,
			events: []event{every(2*time.Second, 4, client(wstest.Pong("ping")))},
			want: `3s client ping "ping"
				6s client ping "ping"`,
			res: tunnel.Result{Sent: 12, Received: 40},
		},
		{
			name:   "they do not pile up",
			cfg:    cfg,
			events: []event{clientStalls, backend("x"), wait(61 * time.Second), clientReads, wait(3 * time.Second)},
			want: `1m1s client binary "x"
				1m1s client ping "ping"
				1m3s client ping "ping"`,
			res: tunnel.Result{Sent: 3 + 12, FromBackend: 1},
		},
		{
			name: "nor after a late tick",
			cfg:  cfg,
			events: []event{
				func(m *machine) { m.now = begin.Add(31 * time.Second); m.core.Tick(m.now); m.settle() },
				wait(2 * time.Second),
			},
			want: `31s client ping "ping"
				33s client ping "ping"`,
			res: tunnel.Result{Sent: 12},
		},
		{
			name:   "none behind the close frame, nor before one that waits",
			cfg:    cfg,
			events: []event{clientStalls, backend("x"), wait(4 * time.Second), backendEOF, wait(4 * time.Second), clientReads, wait(time.Hour)},
			want: `8s client binary "x"
				8s client close 1001 ""
				13s done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Sent: 3 + 4, FromBackend: 1},
		},
	})
}

func TestIdle(t *testing.T) {
	cfg := tunnel.Config{IdleTimeout: time.Minute}
	idle := tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Sent: 4 + 4}
	run(t, []row{
		{
			name:   "from the start, not answered",
			cfg:    cfg,
			events: []event{wait(time.Hour)},
			want: `1m0s client close 1001 "idle"
				1m5s done`,
			res: idle,
		},
		{
			name:   "answered",
			cfg:    cfg,
			events: []event{wait(time.Minute), client(wstest.Close(1001, "idle")), clientEOF, backendEOF},
			want: `1m0s client close 1001 "idle"
				1m0s backend shut
				1m0s client shut
				1m0s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, CloseReceived: 1001, Received: 12, Sent: 8},
		},
		{
			name:   "the client's bytes are activity",
			cfg:    cfg,
			events: []event{wait(59 * time.Second), client(wstest.Binary("a")), wait(time.Hour)},
			want: `59s backend "a"
				1m59s client close 1001 "idle"
				2m4s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Received: 7, Sent: 8, ToBackend: 1},
		},
		{
			name:   "the backend's bytes are activity",
			cfg:    cfg,
			events: []event{wait(59 * time.Second), backend("a"), wait(time.Hour)},
			want: `59s client binary "a"
				1m59s client close 1001 "idle"
				2m4s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Sent: 3 + 8, FromBackend: 1},
		},
		{
			name:   "pongs are activity",
			cfg:    tunnel.Config{IdleTimeout: time.Minute, PingInterval: 50 * time.Second},
			events: []event{every(50*time.Second, 2, client(wstest.Pong("ping"))), wait(time.Hour)},
			want: `50s client ping "ping"
				1m40s client ping "ping"
				2m30s client ping "ping"
				2m40s client close 1001 "idle"
				2m45s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Received: 20, Sent: 18 + 8},
		},
		{
			name:   "pings that we send are not",
			cfg:    tunnel.Config{IdleTimeout: time.Minute, PingInterval: 25 * time.Second},
			events: []event{wait(time.Hour)},
			want: `25s client ping "ping"
				50s client ping "ping"
				1m0s client close 1001 "idle"
				1m5s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Sent: 12 + 8},
		},
		{
			name:   "a half-closed tunnel can be idle",
			cfg:    cfg,
			events: []event{wait(10 * time.Second), clientEOF, wait(time.Hour)},
			want: `10s backend shut
				1m10s client close 1001 "idle"
				1m10s client shut
				1m15s done`,
			res: idle,
		},
	})
}

func TestWriteIdle(t *testing.T) {
	cfg := tunnel.Config{IdleTimeout: time.Minute, WriteIdleTimeout: 6 * time.Minute}
	run(t, []row{
		{
			name:   "a client that does not read",
			cfg:    cfg,
			events: []event{clientStalls, backend("x"), wait(time.Hour)},
			want:   `6m5s done`,
			res:    tunnel.Result{Cause: tunnel.CauseWriteIdle, FromBackend: 1},
		},
		{
			name:   "a client that reads again as the tunnel ends",
			cfg:    cfg,
			events: []event{clientStalls, backend("x"), wait(6*time.Minute + time.Second), clientReads, wait(time.Hour)},
			want: `6m1s client binary "x"
				6m1s client close 1001 "write-idle"
				6m5s done`,
			res: tunnel.Result{Cause: tunnel.CauseWriteIdle, CloseSent: 1001, Sent: 3 + 4 + 10, FromBackend: 1},
		},
		{
			name:   "a backend that does not read",
			cfg:    cfg,
			events: []event{backendStalls, client(wstest.Binary("x")), wait(time.Hour)},
			want: `6m0s client close 1001 "write-idle"
				6m5s done`,
			res: tunnel.Result{Cause: tunnel.CauseWriteIdle, CloseSent: 1001, Received: 7, Sent: 4 + 10},
		},
		{
			name:   "what moves in the end is activity",
			cfg:    cfg,
			events: []event{clientStalls, backend("x"), wait(5 * time.Minute), clientReads, wait(time.Hour)},
			want: `5m0s client binary "x"
				6m0s client close 1001 "idle"
				6m5s done`,
			res: tunnel.Result{Cause: tunnel.CauseIdle, CloseSent: 1001, Sent: 3 + 4 + 4, FromBackend: 1},
		},
		{
			name:   "a ping that the client does not take, long after the last byte",
			cfg:    tunnel.Config{WriteIdleTimeout: time.Minute, PingInterval: time.Hour},
			events: []event{clientStalls, wait(2 * time.Hour)},
			want:   `1h1m5s done`,
			res:    tunnel.Result{Cause: tunnel.CauseWriteIdle},
		},
		{
			name:   "without a limit",
			cfg:    tunnel.Config{IdleTimeout: time.Minute},
			events: []event{backendStalls, client(wstest.Binary("x")), wait(time.Hour), backendReads},
			want:   `1h0m0s backend "x"`,
			res:    tunnel.Result{Received: 7, ToBackend: 1},
		},
	})
}

// The end comes in time, whatever the peers do or leave undone.
func TestEndIsBounded(t *testing.T) {
	run(t, []row{
		{
			name:   "a client that does not answer the close frame",
			events: []event{backendEOF, wait(time.Hour)},
			want: `client close 1001 ""
				5s done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Sent: 4},
		},
		{
			name:   "a client that pings instead",
			events: []event{backendEOF, every(time.Second, 9, client(wstest.Ping("")))},
			want: `client close 1001 ""
				5s done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Received: 54, Sent: 4},
		},
		{
			name:   "a client that does not close its end",
			events: []event{client(wstest.Close(1000, "")), every(time.Second, 9, client(wstest.Binary("x")))},
			want: `client close 1000 ""
				backend shut
				client shut
				5s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 8 + 63, Sent: 4},
		},
		{
			name:   "a backend that goes on sending",
			events: []event{client(wstest.Close(1000, "")), clientEOF, every(time.Second, 9, backend("x"))},
			want: `client close 1000 ""
				backend shut
				client shut
				5s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 8, Sent: 4, FromBackend: 9},
		},
		{
			name:   "a backend that does not take its last bytes",
			events: []event{backendStalls, client(wstest.Binary("x"), wstest.Close(1000, "")), wait(time.Hour)},
			want: `client close 1000 ""
				client shut
				1m0s done`,
			res: tunnel.Result{Cause: tunnel.CauseClientClose, CloseSent: 1000, CloseReceived: 1000, Received: 15, Sent: 4},
		},
		{
			name:   "a client that does not take its last bytes",
			events: []event{clientStalls, backend("x"), backendEOF, wait(time.Hour)},
			want:   `1m0s done`,
			res:    tunnel.Result{Cause: tunnel.CauseBackendEOF, FromBackend: 1},
		},
		{
			name:   "WriteIdleTimeout is the limit for last bytes",
			cfg:    tunnel.Config{WriteIdleTimeout: 2 * time.Minute},
			events: []event{clientStalls, backend("x"), backendEOF, wait(time.Hour)},
			want:   `2m0s done`,
			res:    tunnel.Result{Cause: tunnel.CauseBackendEOF, FromBackend: 1},
		},
		{
			name:   "a client that reads the close frame and sends data without end",
			events: []event{backendEOF, every(3*time.Second, 30, client(wstest.Binary("")))},
			want: `client close 1001 ""
				5s done`,
			res: tunnel.Result{Cause: tunnel.CauseBackendEOF, CloseSent: 1001, Received: 180, Sent: 4},
		},
	})

	// Here the backend takes data to the end, and it matters that it does.
	data := client(wstest.Binary("x"))
	for _, tt := range []struct {
		name   string
		events []event
	}{
		{"a client that reads the close frame and sends on", []event{backendEOF}},
		{"a client that does not read and sends on", []event{clientStalls, backend("x"), backendEOF}},
		{"a client that cannot be written to and sends on", []event{clientBreaks, backend("x")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMachine(t, &tunnel.Config{})
			for _, e := range tt.events {
				e(m)
			}
			for !m.done && m.now.Before(begin.Add(time.Hour)) {
				m.wait(3 * time.Second)
				data(m)
			}
			if !strings.Contains(m.String(), "1m0s done") {
				t.Errorf("the tunnel was not done after 1 minute, but after %v", m.now.Sub(begin))
			}
		})
	}
}

// What a backend sends for nothing is read, for a while: until it has, it may not
// read what the client sent.
func TestDiscard(t *testing.T) {
	m := newMachine(t, &tunnel.Config{})
	client(wstest.Close(1000, ""))(m)
	clientEOF(m)
	piece := make([]byte, 1<<20)
	for i := range 64 {
		if m.fromBackend(piece); !m.core.ReadBackend() {
			t.Fatalf("the backend is not read any more after %d MiB", i+1)
		}
	}
	m.fromBackend([]byte("x"))
	if m.core.ReadBackend() {
		t.Error("the backend is read for ever")
	}
	m.wait(time.Hour)
	if want := `client close 1000 ""` + "\nbackend shut\nclient shut\n5s done"; m.String() != want {
		t.Errorf("the peers saw\n%s\nwant\n%s", m, want)
	}
}

func TestTrace(t *testing.T) {
	var got []string
	m := newMachine(t, &tunnel.Config{PingInterval: time.Second, Trace: func(sent bool, op ws.Opcode, payload int) {
		way := "received"
		if sent {
			way = "sent"
		}
		got = append(got, fmt.Sprint(way, " ", op, " ", payload))
	}})
	for _, e := range []event{
		client(wstest.Text("abc"), wstest.Ping("ping"), wstest.Pong("po")), backend("xy"), wait(time.Second), client(wstest.Close(1000, "")),
	} {
		e(m)
	}
	want := "received text 3, received ping 4, sent pong 4, received pong 2, sent binary 2, sent ping 4, received close 2, sent close 2"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("Trace: %s\nwant   %s", got, want)
	}
}

func TestCauseString(t *testing.T) {
	seen := make(map[string]bool)
	for c := tunnel.CauseNone; c <= tunnel.CauseStop; c++ {
		if name := c.String(); name == "" || seen[name] {
			t.Errorf("cause %d is named %q, as another one or not at all", c, name)
		} else {
			seen[name] = true
		}
	}
}
