package front

import (
	"net"
	"sync"
)

// A Limit bounds how many connections are open at a time, of all listeners that
// share it. Who accepts a connection enters, and leaves when it is closed.
type Limit struct {
	// Reached is called when a listener has to wait: once, until a tenth of the
	// connections have left, and at least one.
	Reached func(most int)

	mu      sync.Mutex
	most    int // 0: no limit
	open    int
	reached bool     // and told so
	waiting []func() // to be called when there is room
}

// Set changes the limit to most connections; 0: none. If more are open, they
// stay.
func (l *Limit) Set(most int) {
	l.mu.Lock()
	l.most = most
	l.unlock()
}

// Enter counts a connection that is about to be accepted, and reports whether it
// may be. If not, it calls wake, once, as soon as it is worth another try. Wake
// must not block.
func (l *Limit) Enter(wake func()) bool {
	l.mu.Lock()
	if l.room() {
		l.open++
		l.mu.Unlock()
		return true
	}
	l.waiting = append(l.waiting, wake)
	most, tell := l.most, !l.reached
	l.reached = true
	l.mu.Unlock()
	if tell && l.Reached != nil {
		l.Reached(most)
	}
	return false
}

// Add counts a connection that is open in any case.
func (l *Limit) Add() {
	l.mu.Lock()
	l.open++
	l.mu.Unlock()
}

// Leave is told that a connection has ended.
func (l *Limit) Leave() {
	l.mu.Lock()
	l.open--
	l.unlock()
}

func (l *Limit) room() bool { return l.most == 0 || l.open < l.most }

// unlock unlocks l.mu, and wakes who waits if there is room.
func (l *Limit) unlock() {
	var wake []func()
	if l.room() {
		wake, l.waiting = l.waiting, nil
	}
	if l.most == 0 || l.open <= l.most*9/10 {
		l.reached = false
	}
	l.mu.Unlock()
	for _, f := range wake {
		f()
	}
}

// Listener returns a listener for the connections of ln, which are in l until
// they are closed. While there is no room, it lets one connection wait, and the
// system the others.
func (l *Limit) Listener(ln net.Listener) net.Listener {
	return &limited{Listener: ln, limit: l, room: make(chan struct{}, 1), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	limit  *Limit
	room   chan struct{} // there may be some
	close  sync.Once
	closed chan struct{}
}

func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for !l.limit.Enter(l.wake) {
		select {
		case <-l.room:
		case <-l.closed:
			c.Close()
			return nil, net.ErrClosed
		}
	}
	return l.limit.counted(c), nil
}

func (l *limited) wake() {
	select {
	case l.room <- struct{}{}:
	default:
	}
}

func (l *limited) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// counted returns c, a socket that has entered, so that it leaves when it is
// closed.
func (l *Limit) counted(c net.Conn) Stream {
	leave := sync.OnceFunc(l.Leave)
	if tcp, ok := c.(*net.TCPConn); ok {
		return &countedTCP{tcp, leave}
	}
	return &countedUnix{c.(*net.UnixConn), leave}
}

// A countedTCP has the methods by which net/http uses sendfile.
type countedTCP struct {
	*net.TCPConn
	leave func()
}

func (c *countedTCP) Close() error {
	defer c.leave()
	return c.TCPConn.Close()
}

type countedUnix struct {
	*net.UnixConn
	leave func()
}

func (c *countedUnix) Close() error {
	defer c.leave()
	return c.UnixConn.Close()
}
