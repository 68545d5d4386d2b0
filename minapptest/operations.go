package minapptest

import (
	"net/http"
	"strconv"
	"time"
)

// bulkJob is an asynchronous run. Its rows are chosen when it starts and
// change when it is due. inferred: both; an official test reads matched_count
// right away.
type bulkJob struct {
	bulkRun
	createdAt int64
	due       time.Time
	over      bool
	changed   int
}

// start begins an asynchronous run; the store is locked.
func (s *Server) start(run *bulkRun) answer {
	now := s.now()
	job := &bulkJob{bulkRun: *run, createdAt: now.Unix(), due: now.Add(s.limits.Load().BulkDelay)}
	s.store.jobs = append(s.store.jobs, job)
	s.store.pendingJobs.Add(1)
	return jsonAnswer(http.StatusOK, object{{"status", "ok"}, {"operation_id", len(s.store.jobs)}})
}

// finishJobs ends the runs that are due. It is called before anybody looks, so
// that no goroutine has to wait for the clock.
func (s *Server) finishJobs() {
	if s.store.pendingJobs.Load() == 0 {
		return
	}
	s.store.Lock()
	defer s.store.Unlock()
	now := s.now()
	for _, job := range s.store.jobs {
		if !job.over && !now.Before(job.due) {
			job.finish()
			s.store.pendingJobs.Add(-1)
		}
	}
}

// finish changes the rows that are still there.
func (job *bulkJob) finish() {
	job.over = true
	for _, r := range job.rows {
		if !r.deleted && succeeded(job.change(r, job.due.Unix())) {
			job.changed++
		}
	}
	job.rows, job.change = nil, nil
}

func (s *Server) getBulkJob(c *call) (answer, *failure) {
	id, err := strconv.Atoi(c.args["job"])
	s.store.RLock()
	defer s.store.RUnlock()
	if err != nil || id < 1 || id > len(s.store.jobs) {
		return answer{}, notFound()
	}
	job := s.store.jobs[id-1]
	status, updated := "pending", job.createdAt
	if job.over {
		status, updated = "success", job.due.Unix()
	}
	o := object{
		{"id", id},
		{"schema_id", job.table.ID},
		{"schema_name", job.table.Name},
		{"operation", job.operation},
		{"status", status},
		{"created_at", job.createdAt},
		{"updated_at", updated},
	}
	if job.operation == "update" {
		return jsonAnswer(http.StatusOK, append(o, member{"matched_count", job.total}, member{"modified_count", job.changed})), nil
	}
	return jsonAnswer(http.StatusOK, append(o, member{"deleted_count", job.changed})), nil
}
