package boot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/allied-ledger/allied/services/relay"
)

// The names within a ledger's folder.
const (
	logName      = "log" // of the event store, like index and lock
	viewsName    = "views.db"
	policiesName = "policies.db"
	streamsName  = "server.streams" // of JetStream while a server runs
	ownerName    = "server.json"
	lockName     = "server.lock"

	keptStreamsName = "events.streams" // of JetStream where the relay runs
)

// witnessName is the file in which the relay remembers how far a stream was filled.
func witnessName(form relay.Form) string { return "relay." + form.Stream + ".json" }

// Owner is the process that holds a folder. URL is empty where it serves nobody else, and HTTPURL where it serves no HTTP.
type Owner struct {
	URL     string `json:"url"`
	HTTPURL string `json:"http_url,omitempty"`
	LogID   string `json:"log_id"`
	PID     int    `json:"pid"`
}

// InUseError: another process writes the folder.
type InUseError struct {
	Dir   string
	Owner Owner // zero where it is not known yet
}

func (e *InUseError) Error() string {
	switch {
	case e.Owner.PID == 0:
		return fmt.Sprintf("%s is in use by another process that is starting or stopping: try again", e.Dir)
	case e.Owner.URL == "":
		return fmt.Sprintf("%s is in use by process %d, which serves nobody else: wait until it ends", e.Dir, e.Owner.PID)
	default:
		return fmt.Sprintf("%s is served by process %d at %s: connect there, or stop it", e.Dir, e.Owner.PID, e.Owner.URL)
	}
}

// ForeignFolderError: a folder holds no ledger, but something else.
type ForeignFolderError struct {
	Dir   string
	Found string // the first thing in it that is no ledger's
}

func (e *ForeignFolderError) Error() string {
	return fmt.Sprintf("%s holds no ledger, but %s: name an empty folder, or one that is not there yet, to begin a ledger in", e.Dir, e.Found)
}

// leftovers are what a folder may hold before a ledger is begun in it: what one leaves behind, and what a file system puts into its root.
var leftovers = []string{
	logName, "index", "lock", lockName, ownerName, ownerName + ".new", viewsName, viewsName + "-wal", viewsName + "-shm",
	policiesName, policiesName + "-wal", policiesName + "-shm", streamsName, keptStreamsName,
	witnessName(relay.Events), witnessName(relay.Events) + ".new", witnessName(relay.EventsJSON), witnessName(relay.EventsJSON) + ".new", "lost+found",
}

// CheckForeign refuses to begin a ledger among files that are not its own. Beside a ledger that is there, anything may lie.
func CheckForeign(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open ledger: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, logName, "head")); err == nil {
		return nil
	}
	for _, e := range entries {
		if !slices.Contains(leftovers, e.Name()) {
			return &ForeignFolderError{dir, e.Name()}
		}
	}
	return nil
}

// folder is a ledger's folder that this process alone writes.
type folder struct {
	dir  string
	lock *os.File
}

// lockFolder creates the folder and takes it. The lock falls with the process, however it ends.
func lockFolder(dir string) (*folder, error) {
	if err := CheckForeign(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		owner, ownerErr := ReadOwner(dir)
		return nil, errors.Join(&InUseError{dir, owner}, ownerErr, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), f.Close())
	}
	out := &folder{dir, f}
	if err := out.announce(Owner{}); err != nil { // what a killed process left behind
		return nil, errors.Join(err, f.Close())
	}
	return out, nil
}

// announce tells other processes who holds the folder.
func (f *folder) announce(o Owner) error {
	o.PID = os.Getpid()
	data, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("write %s: %w", ownerName, err)
	}
	path := filepath.Join(f.dir, ownerName)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", ownerName, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write %s: %w", ownerName, err)
	}
	return nil
}

func (f *folder) release() error {
	return errors.Join(os.Remove(filepath.Join(f.dir, ownerName)), f.lock.Close())
}

// IsHeld tells whether a process holds a folder now. It makes no file. A process that starts in the moment of
// the look may find the folder in use, and tries again.
func IsHeld(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("see who holds %s: %w", dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	held := errors.Is(err, syscall.EWOULDBLOCK)
	if held {
		err = nil
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("see who holds %s: %w", dir, err)
	}
	return held, nil
}

// ReadOwner reads who held the folder last; it is zero where nobody does. A process that was killed leaves its name behind.
func ReadOwner(dir string) (Owner, error) {
	path := filepath.Join(dir, ownerName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Owner{}, nil
	}
	if err != nil {
		return Owner{}, fmt.Errorf("read %s: %w", path, err)
	}
	var o Owner
	if err := json.Unmarshal(data, &o); err != nil {
		return Owner{}, fmt.Errorf("read %s: %w; where no server runs, remove it", path, err)
	}
	return o, nil
}
