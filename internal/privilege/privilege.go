// Package privilege changes what a process may do: it raises the limit of open
// files, and gives up what only root may do. Where root's rights come from, and
// whom the process goes on as, is for others to know.
package privilege
