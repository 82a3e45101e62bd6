"""An X client that shows a picture and tells what reaches it.

Usage: xclient.py DISPLAY COLUMNS ROWS SIZE

The picture is of COLUMNS by ROWS tiles, SIZE pixels wide and high. The first
request says their colours; it and every further one is answered with all that
came in so far. The requests and answers are those of novnc_test.go.
"""

import json
import select
import sys

from Xlib import X, XK, Xatom, display


def main():
    name, columns, rows, size = sys.argv[1], *map(int, sys.argv[2:])
    d = display.Display(name)
    root = d.screen().root
    window = root.create_window(
        0, 0, columns * size, rows * size, 0, d.screen().root_depth,
        override_redirect=True, background_pixel=0,
        event_mask=X.ExposureMask | X.KeyPressMask | X.ButtonPressMask,
    )
    gc = window.create_gc()
    keysyms = {v: k[3:] for k, v in vars(XK).items() if k.startswith("XK_")}
    clipboard = d.intern_atom("CLIPBOARD")
    colours = []
    seen = {"keys": [], "clicks": [], "clipboard": ""}

    def paint():
        for i, colour in enumerate(colours):
            gc.change(foreground=colour)
            window.fill_rectangle(gc, i % columns * size, i // columns * size, size, size)

    def handle(event):
        if event.type == X.Expose:
            paint()
        elif event.type == X.KeyPress:
            keysym = d.keycode_to_keysym(event.detail, 1 if event.state & X.ShiftMask else 0)
            seen["keys"].append(keysyms.get(keysym, hex(keysym)))
        elif event.type == X.ButtonPress:
            seen["clicks"].append([event.detail, event.root_x, event.root_y])
        elif event.type == X.MappingNotify:
            d.refresh_keyboard_mapping(event)
        elif event.type == X.SelectionNotify and event.property != X.NONE:
            value = window.get_full_property(event.property, X.AnyPropertyType).value
            seen["clipboard"] = value.decode("latin-1")

    while True:
        while d.pending_events():
            handle(d.next_event())
        readable, _, _ = select.select([d, sys.stdin], [], [])
        if sys.stdin in readable:
            line = sys.stdin.readline()
            if not line:
                return
            if not colours:
                colours = json.loads(line)["colours"]
                window.map()
                window.set_input_focus(X.RevertToParent, X.CurrentTime)
            window.convert_selection(clipboard, Xatom.STRING, clipboard, X.CurrentTime)
            d.sync()
            while d.pending_events():
                handle(d.next_event())
            print(json.dumps(seen), flush=True)


main()
