package socket

// Watch ties the reads of other to the life of c: they are interrupted (see Interrupt) when c breaks and, where ends is true, also
// when the peer of c has ended its side, which may be so already. So who waits for other on behalf of c need not wait for nothing.
// Unwatch must be called before other is given away.
func (c *Conn) Watch(other *Conn, ends bool) {
	c.watchesEnd.Store(ends)
	c.watcher.Store(other)
	if c.hungUp.Load() { // the kernel has said so before, and says it only once
		c.tellWatcher()
	}
}

// Unwatch ends the effect of Watch and of an interruption that came of it. No read of other may be under way.
func (c *Conn) Unwatch(other *Conn) {
	c.watcher.Store(nil)
	if !c.hungUp.Load() {
		return // whoever hears of it from now on finds no watcher
	}
	c.poller.mu.Lock() // who has found one holds it until that is done
	defer c.poller.mu.Unlock()
	other.Resume()
}

// OnEnd has told called when c breaks or its peer ends its side, at once where that is so already, and again when the one follows the
// other. told must not wait for anything; it is never called twice at the same time, nor after stop has returned. For who waits for
// something else than a read of another Conn; one at a time may do so on behalf of c.
func (c *Conn) OnEnd(told func()) (stop func()) {
	c.poller.mu.Lock()
	defer c.poller.mu.Unlock()
	knowsEnd, knowsBreak := false, false
	c.onEnd = func() { // the kernel repeats the end with everything else that it says from then on
		if broken := c.broken.Load(); !knowsEnd || broken != knowsBreak {
			knowsEnd, knowsBreak = true, broken
			told()
		}
	}
	if c.hungUp.Load() { // said before, and perhaps for the last time
		c.onEnd()
	}
	return func() {
		c.poller.mu.Lock()
		defer c.poller.mu.Unlock()
		c.onEnd = nil
	}
}

// Broken says whether the kernel has said that nothing can be written to the peer any more.
func (c *Conn) Broken() bool { return c.broken.Load() }

// tellEnd passes the news on. The poller's mu is held.
func (c *Conn) tellEnd() {
	c.tellWatcher()
	if c.onEnd != nil {
		c.onEnd()
	}
}

func (c *Conn) tellWatcher() {
	if other := c.watcher.Load(); other != nil && (c.watchesEnd.Load() || c.broken.Load()) {
		other.Interrupt()
	}
}
