"""Tables, figures and the page of an evaluation, from predictions and a cohort's truth alone: nothing here judges."""
