//! Lock-free tables of fixed capacity, shared by all workers.
