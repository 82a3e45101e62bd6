//go:build unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// novncConfig is the example that lighttpd's users know, with a hole for the port.
const novncConfig = `
server.document-root = "/usr/share/novnc"
server.indexfiles = ("index.html")
server.modules += ( "mod_wstunnel" )
$HTTP["url"] =~ "^/websockify" {
    wstunnel.server = ( "" => ( ( "host" => "", "port" => "%d" ) ) )
    wstunnel.frame-type = "binary"
}
`

// The picture fills the screen with tiles, all of different colours.
const (
	columns, rows = 8, 6
	tileSize      = 128
)

// An xReport is what testdata/xclient.py tells of the X server.
type xReport struct {
	Keys      []string // names of keysyms
	Clicks    [][3]int // button, x, y
	Clipboard string
}

// A viewer is noVNC in a browser, with wstunneld, x11vnc and Xvfb behind it.
type viewer struct {
	browser
	x       *peer // testdata/xclient.py
	colours []int // of the tiles, 0xrrggbb
}

func TestNoVNC(t *testing.T) {
	need(t, "Xvfb", "x11vnc")
	needModule(t, "Xlib")
	needFiles(t, "/usr/share/novnc/vnc.html")
	v := viewer{browser: startBrowser(t)}
	display := startXvfb(t)
	for i := range columns * rows {
		// Steps of 36 in red and 42 in green: each tile differs from all others.
		v.colours = append(v.colours, (255-i%columns*36)<<16|(i/columns*42)<<8|i%3*100)
	}
	v.x = startPeer(t, exec.Command(python, "testdata/xclient.py", display,
		strconv.Itoa(columns), strconv.Itoa(rows), strconv.Itoa(tileSize)))
	v.report(t)
	vncPort := freePort(t)
	vnc := startX11VNC(t, display, vncPort)
	_, port := startServer(t, fmt.Sprintf(novncConfig, vncPort))

	v.do(t, "prepare", map[string]any{"script": `
		window.closes = [];
		window.WebSocket = new Proxy(WebSocket, {
			construct(target, args) {
				const socket = new target(...args);
				socket.addEventListener("close", (e) => closes.push({ code: e.code, clean: e.wasClean }));
				return socket;
			},
		});`}, nil)
	v.open(t, fmt.Sprintf("http://127.0.0.1:%d/vnc.html", port))
	v.connect(t)

	t.Run("picture", v.checkPicture)
	t.Run("clicks", v.checkClicks)
	t.Run("keys", v.checkKeys)
	t.Run("paste", v.checkPaste)
	t.Run("restart", func(t *testing.T) {
		vnc.stop()
		v.await(t, `document.querySelector("#noVNC_status").innerText === "Disconnected"`)
		var closes []struct {
			Code  int
			Clean bool
		}
		v.evaluate(t, "closes", &closes)
		if len(closes) != 1 || closes[0].Code != 1001 || !closes[0].Clean {
			t.Errorf("WebSocket closed: %+v, want once, cleanly, with 1001", closes)
		}
		startX11VNC(t, display, vncPort)
		v.connect(t)
		v.checkPicture(t)
	})
}

// startXvfb starts an X server and returns the name of its display.
func startXvfb(t *testing.T) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	screen := fmt.Sprintf("%dx%dx24", columns*tileSize, rows*tileSize)
	cmd := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", screen, "-nolisten", "tcp", "-noreset")
	cmd.ExtraFiles = []*os.File{w}
	start(t, cmd)
	w.Close()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("%v does not start: %v", cmd, err)
	}
	return ":" + strings.TrimSpace(line)
}

// startX11VNC offers a display on a port of 127.0.0.1.
func startX11VNC(t *testing.T, display string, port int) *process {
	t.Helper()
	cmd := exec.Command("x11vnc", "-display", display, "-rfbport", strconv.Itoa(port),
		"-localhost", "-no6", "-forever", "-norc", "-nopw", "-quiet")
	// Without a window manager, x11vnc takes the first 45 seconds for a login screen
	// and leaves the clipboard alone; not so with this.
	cmd.Env = append(os.Environ(), "X11VNC_AVOID_WINDOWS=never")
	p := start(t, cmd)
	p.awaitPort(t, port)
	return p
}

// connect clicks Connect and waits for the picture.
func (v viewer) connect(t *testing.T) {
	t.Helper()
	v.click(t, "#noVNC_connect_button")
	v.await(t, `document.documentElement.classList.contains("noVNC_connected")
		&& document.querySelector("#noVNC_container canvas")?.width === `+strconv.Itoa(columns*tileSize))
}

// report asks what has reached the X server.
func (v viewer) report(t *testing.T) xReport {
	t.Helper()
	var r xReport
	v.x.call(t, map[string]any{"colours": v.colours}, &r)
	return r
}

// checkPicture checks five pixels of each tile.
func (v viewer) checkPicture(t *testing.T) {
	type pixel struct{ X, Y, Colour int }
	var want []pixel
	for i, colour := range v.colours {
		x, y := i%columns*tileSize, i/columns*tileSize
		const edge = 8 // from the tile's edge: next to it, JPEG may blur
		for _, d := range [][2]int{{edge, edge}, {tileSize - edge, edge}, {tileSize / 2, tileSize / 2}, {edge, tileSize - edge}, {tileSize - edge, tileSize - edge}} {
			want = append(want, pixel{x + d[0], y + d[1], colour})
		}
	}
	points, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`(() => {
		const canvas = document.querySelector("#noVNC_container canvas").getContext("2d");
		return %s.map(({ X, Y }) => {
			const [r, g, b] = canvas.getImageData(X, Y, 1, 1).data;
			return { X, Y, Colour: r << 16 | g << 8 | b };
		});
	})()`, points)
	eventually(t, func() error {
		var got []pixel
		v.evaluate(t, script, &got)
		for i := range want {
			if got[i] != want[i] {
				return fmt.Errorf("pixel %d,%d is %06x, want %06x", got[i].X, got[i].Y, got[i].Colour, want[i].Colour)
			}
		}
		return nil
	})
}

// checkClicks clicks each button somewhere else.
func (v viewer) checkClicks(t *testing.T) {
	var origin struct{ X, Y float64 }
	v.evaluate(t, `document.querySelector("#noVNC_container canvas").getBoundingClientRect()`, &origin)
	want := [][3]int{{1, 100, 50}, {2, 1023, 767}, {3, 0, 300}}
	for i, button := range []string{"left", "middle", "right"} {
		v.do(t, "clickAt", map[string]any{
			"x": origin.X + float64(want[i][1]), "y": origin.Y + float64(want[i][2]), "button": button,
		}, nil)
	}
	eventually(t, func() error {
		if got := v.report(t).Clicks; !reflect.DeepEqual(got, want) {
			return fmt.Errorf("X server saw clicks %v, want %v", got, want)
		}
		return nil
	})
}

// checkKeys presses keys. The clicks before have given the canvas the focus.
func (v viewer) checkKeys(t *testing.T) {
	for _, key := range []string{"a", "Shift+B", "7", "Shift+#", "Enter", "ArrowLeft", "Control+c"} {
		v.press(t, key)
	}
	want := []string{"a", "Shift_L", "B", "7", "Shift_L", "numbersign", "Return", "Left", "Control_L", "c"}
	eventually(t, func() error {
		if got := v.report(t).Keys; !reflect.DeepEqual(got, want) {
			return fmt.Errorf("X server saw keys %q, want %q", got, want)
		}
		return nil
	})
}

// checkPaste pastes 3,000 characters by noVNC's clipboard panel.
func (v viewer) checkPaste(t *testing.T) {
	const chars = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 äöüß\n"
	runes := []rune(chars)
	rnd := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for range 3000 {
		text.WriteRune(runes[rnd.IntN(len(runes))])
	}
	v.click(t, "#noVNC_control_bar_handle")
	v.click(t, "#noVNC_clipboard_button")
	v.fill(t, "#noVNC_clipboard_text", text.String())
	v.press(t, "Tab") // noVNC sends the text when the field is left
	eventually(t, func() error {
		if got, want := v.report(t).Clipboard, text.String(); got != want {
			return fmt.Errorf("X clipboard has %d bytes, %.40q..., want %d, %.40q...", len(got), got, len(want), want)
		}
		return nil
	})
}
