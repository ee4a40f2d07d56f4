import got from 'got13';
import forms from './got-h1.cjs';

export default forms(got);
