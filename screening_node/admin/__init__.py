"""What the admin sees and does: the alert log, exams, deliveries, notes about patients, the audit."""
